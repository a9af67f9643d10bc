"""Arguments of a run on the command line: name=value words, one JSON object, @FILE or standard input."""

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.domain.errors import ArgumentError

if TYPE_CHECKING:
    from mainspring.engine.definitions.automation import Automation


def read_arguments(automation: "Automation", words: tuple[str, ...], limit: int) -> bytes:
    """Return the arguments as canonical JSON.

    Raises:
        ArgumentError: they do not fit.
    """
    from mainspring.domain.values.arguments import bind_json, bind_words
    from mainspring.domain.values.codec import encode
    from mainspring.domain.values.saved_call import encode_call

    signature = automation.signature
    if signature is None:
        if words:
            raise ArgumentError(f"{automation.name} is a script and accepts no arguments (got {words[0]!r})")
        return encode({})
    signature = signature.renamed(automation.name)
    if len(words) == 1 and (words[0] == "-" or words[0].startswith(("@", "{"))):
        values = bind_json(signature, _read_json_word(words[0]))
    else:
        values = bind_words(signature, list(words))
    args, kwargs = signature.spread(values)
    return encode_call(signature, args, kwargs, limit=limit)


def _read_json_word(word: str) -> Any:
    from mainspring.cli.json_values import decode_json, read_text_argument
    from mainspring.domain.json_validation import explain_bad_json

    data = read_text_argument(word, "the arguments")
    try:
        return decode_json(data, "the arguments")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ArgumentError(
            f"the arguments are not JSON: {explain_bad_json(error, data)}",
            hint='Write {"name": value, ...} or name=value words.',
        ) from None
