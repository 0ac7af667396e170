"""What goes back over HTTP, whatever dialect it is in.

Owns: the shape of an answer. Never: how its text comes about, or how it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass

JSON = "application/json-rpc"
SCRIPT = "text/javascript"
XML = "text/xml"


#: Long texts are written where they stay: a hundred megabytes cannot be copied without holding everybody up.
Text = bytes | bytearray


@dataclass(frozen=True, slots=True)
class Answer:
    """The text, the HTTP status that aria2 gives it, and its Content-Type, None where there is no text.

    A long text is the very bytearray that it was written into: to copy some tens of megabytes holds everybody up.
    ``last`` when aria2 ends the connection after it.
    """

    text: Text
    status: int = 200
    kind: str | None = JSON

    @property
    def last(self) -> bool:
        """Whether the connection ends with it: a failed call of JSON-RPC. A refused XML body is no reason."""
        return self.status >= 400 and self.kind is not None
