//! TRANSACTION_PAYLOAD: the events of a compressed transaction, decompressed in a window.
