//! The raw settings tree: embedded defaults, then the file, the environment, `--set`.
