//! Row images copied out of the chunk they were read in.
//!
//! A slice of a chunk keeps the whole chunk alive. Where a permit counts less than that, the slice is copied
//! out: images and column sets alike, since either would hold the chunk. One allocation for all blocks given.

use bytes::{Bytes, BytesMut};
use headwater_binlog::rows::RowsBlock;

pub fn detach<'a>(blocks: impl Iterator<Item = &'a mut RowsBlock>) {
    let mut slices: Vec<&mut Bytes> = blocks
        .flat_map(|block| {
            [
                &mut block.images,
                &mut block.before.bits,
                &mut block.after.bits,
            ]
        })
        .collect();
    let mut copy = BytesMut::with_capacity(slices.iter().map(|slice| slice.len()).sum());
    for slice in &slices {
        copy.extend_from_slice(slice);
    }
    let mut copy = copy.freeze();
    for slice in &mut slices {
        **slice = copy.split_to(slice.len());
    }
}
