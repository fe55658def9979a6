//! The command line: arguments in, exit code out.

use crate::exit::Exit;

pub fn main() -> Exit {
    Exit::Usage
}
