"""The RPC wire: JSON-RPC over HTTP and WebSocket, as aria2 speaks it. Knows the api and no deeper floor."""
