"""slasshy-rpc: a download server that speaks aria2's protocol.

Owns: the version. Never: imports, so that ``slasshy-rpc --version`` stays instant.
"""

__version__ = "0.1.0"
