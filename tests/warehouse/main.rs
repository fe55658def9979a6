//! From a real MySQL by the built program into a warehouse, over the whole road.

mod road;
