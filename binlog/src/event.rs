//! Framing: the 19-byte header, the CRC32 trailer (verified, always), the kinds of event.
