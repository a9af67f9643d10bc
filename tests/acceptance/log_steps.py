"""Steps that write in every way there is, for children too: these are imported by name."""

import logging
import os
import sys

import mainspring as ms

log = logging.getLogger("shop.orders")


def writes(word: str) -> str:
    print("printed", word)
    sys.stderr.write(f"no end {word}")
    log.warning("logged %s", word, extra={"rows": 3})
    ms.log.info("told", word=word)
    return word


async def writes_in_loop(word: str) -> str:
    return writes(word)


def prints_secrets(forms: list[str]) -> None:
    """Write each form in each way, then fail with all of them."""
    for form in forms:
        print(form)
        ms.log.info(form, value=form)
        log.warning("form %s", form)
    half = len(forms[0]) // 2
    sys.stdout.write(forms[0][:half])
    sys.stdout.write(forms[0][half:] + "\n")
    sys.stdout.flush()
    os.write(2, forms[0][:half].encode())
    os.write(2, b"\n" + forms[0][half:].encode())
    raise ms.Permanent("; ".join(forms), hint=forms[0], data={"forms": forms}) from ValueError(forms[1])


async def prints_secrets_in_loop(forms: list[str]) -> None:
    prints_secrets(forms)
