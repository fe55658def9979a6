//! Tables of real servers, read in chunks through the port: each row once, in the server's own order.

mod copies;
mod interruptions;
mod keys;
mod tables;
mod visible;
