"""The parts that addresses of AWS services have in common: regions, and addresses of other servers with the same protocol."""

import re

from mainspring.domain.text.lazy_pattern import lazy_pattern

AWS_REGION = lazy_pattern(r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}", re.ASCII)
AWS_ENDPOINT = lazy_pattern(r"https?://[^\s/?#@%]+/?")
