//! Tables that are odd in themselves.
