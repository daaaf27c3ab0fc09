"""Whether two models do the same: logit weights, stitched forward passes, and pairs of features taken out."""

from congruence.careful import guard
from congruence.function.logit_weights import LogitAgreement, LogitSpace, logit_agreement
from congruence.function.vocabulary import SharedTokens, shared_tokens

__all__ = ["LogitAgreement", "LogitSpace", "SharedTokens", "logit_agreement", "shared_tokens"]

guard(globals())
