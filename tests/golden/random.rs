//! Random tables: columns of any types in any order, keys of any shape, random rows and changes, in every
//! kind of row image.
