"""What a finished run has to show, as plain data: the same answers for a report's file and the explorer."""
