"""Figures as papers print them: one idea a figure, column or page wide, without a title."""
