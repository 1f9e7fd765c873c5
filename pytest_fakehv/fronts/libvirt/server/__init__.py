"""Sockets, connections and their threads: bytes in, bytes out."""
