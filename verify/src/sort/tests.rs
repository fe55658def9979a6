//! Runs that are laid aside and merged give what a sort in memory gives.

use proptest::prelude::*;

use super::*;

fn seq(epoch: u32, offset: u64, row: u32) -> Seq {
    Seq::parse(&format!("{epoch:08x}.00000001.{offset:016x}.{row:08x}")).expect("a seq")
}

/// A run in memory, as a file would hold it.
fn laid_aside(batch: &mut Batch) -> Vec<u8> {
    let mut file = Vec::new();
    let put = |bytes: &[u8]| {
        file.extend_from_slice(bytes);
        Ok::<(), std::io::Error>(())
    };
    write_blocks(batch.sorted(), put).expect("memory");
    batch.clear();
    file
}

/// Its lines with the `seq` that stands before each.
fn read(mut file: &[u8]) -> Vec<(Seq, Vec<u8>)> {
    let mut lines = Vec::new();
    while let Some((head, rest)) = file.split_first_chunk() {
        let head = BlockHead::of(head);
        let (packed, rest) = rest.split_at(head.packed as usize);
        file = rest;
        let mut block = Block::unpack(&head, packed).expect("a block");
        assert_eq!(block.next_seq(), Some(head.first));
        while let Some(seq) = block.next_seq() {
            lines.push((seq, block.next_line().expect("a line").to_vec()));
        }
        assert_eq!(block.next_line(), Err(Damaged));
    }
    lines
}

/// The lines by way of runs of so many bytes, and how many runs there were.
fn sorted(lines: &[(Seq, Vec<u8>)], bytes_max: usize) -> (Vec<(Seq, Vec<u8>)>, usize) {
    let (mut batch, mut runs) = (Batch::new(bytes_max), Vec::new());
    for (seq, line) in lines {
        if !batch.has_room(line.len()) {
            runs.push(read(&laid_aside(&mut batch)).into_iter());
        }
        batch.push(*seq, line);
    }
    runs.push(read(&laid_aside(&mut batch)).into_iter());
    let count = runs.len();
    let mut runs: Vec<_> = runs.into_iter().map(Iterator::peekable).collect();
    let mut merge = Merge::default();
    for (number, run) in runs.iter_mut().enumerate() {
        if let Some((seq, _)) = run.peek() {
            merge.offer(number, *seq);
        }
    }
    let mut merged = Vec::new();
    while let Some(number) = merge.next_run() {
        merged.extend(runs[number].next());
        if let Some((seq, _)) = runs[number].peek() {
            merge.offer(number, *seq);
        }
    }
    (merged, count)
}

#[test]
fn more_than_fits_is_laid_aside_in_runs_that_keep_to_the_bound() {
    let lines: Vec<_> = (0..10_000_u64)
        .map(|n| (seq(1, n * 7919 % 10_000, 0), vec![b'x'; 100]))
        .collect();
    let (merged, runs) = sorted(&lines, 100_000);
    assert!(runs > 10, "{runs}");
    assert!(merged.is_sorted_by(|one, other| one.0 < other.0));
    assert_eq!(merged.len(), lines.len());

    let mut batch = Batch::new(100_000);
    while batch.has_room(100) {
        batch.push(seq(1, 1, 1), &[b'x'; 100]);
    }
    let used = batch.text.len() + batch.entries.len() * ENTRY_BYTES;
    assert!((99_000..=100_000).contains(&used), "{used}");
}

#[test]
fn a_line_longer_than_the_bound_is_alone_in_its_run_and_block() {
    let long = vec![b'y'; 3 * BLOCK_BYTES];
    let mut batch = Batch::new(1_000);
    assert!(batch.has_room(long.len()));
    batch.push(seq(1, 2, 0), &long);
    assert!(!batch.has_room(1));
    let file = laid_aside(&mut batch);
    assert_eq!(read(&file), [(seq(1, 2, 0), long.clone())]);

    let mut batch = Batch::new(1 << 20);
    for (offset, line) in [(3, b"c".as_slice()), (2, &long), (1, b"a")] {
        batch.push(seq(1, offset, 0), line);
    }
    let file = laid_aside(&mut batch);
    let firsts: Vec<_> = read(&file).into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(firsts, [1, 2, 3].map(|offset| seq(1, offset, 0)));
}

#[test]
fn a_block_that_came_back_changed_is_noticed() {
    let mut batch = Batch::new(1_000);
    batch.push(seq(1, 1, 0), b"{}");
    let file = laid_aside(&mut batch);
    let (head, packed) = file.split_first_chunk().expect("a head");
    let head = BlockHead::of(head);
    for wrong in [&packed[1..], &packed[..packed.len() - 1], b""] {
        assert_eq!(Block::unpack(&head, wrong).err(), Some(Damaged));
    }
    let longer = BlockHead {
        unpacked: head.unpacked + 1,
        ..head
    };
    assert_eq!(Block::unpack(&longer, packed).err(), Some(Damaged));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn runs_merged_are_what_a_stable_sort_in_memory_gives(
        places in prop::collection::vec((1..3_u32, 0..20_u64, 0..3_u32, 0..400_usize), 0..300),
        bytes_max in 200..6_000_usize,
    ) {
        // The number tells lines of one seq apart.
        let line = |(number, (_, _, _, length)): (usize, &(u32, u64, u32, usize))| {
            format!("{number} {}", "x".repeat(*length)).into_bytes()
        };
        let lines: Vec<_> = places
            .iter()
            .enumerate()
            .map(|(number, place)| (seq(place.0, place.1, place.2), line((number, place))))
            .collect();
        let mut wanted = lines.clone();
        wanted.sort_by_key(|(seq, _)| *seq);
        prop_assert_eq!(sorted(&lines, bytes_max).0, wanted);
    }
}
