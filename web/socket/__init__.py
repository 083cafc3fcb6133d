"""The socket: `handshake` opens it, `websocket` frames it, `reader` reads and `session` writes."""
