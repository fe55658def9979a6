//! The checkpoint file against crashes, a second process and another hand.

use std::fs;

use headwater_actors::{
    checkpoint::{OrderingKey, Parked, RouteOrdering},
    filter::TableFilter,
    ports::store::EndedBy,
    progress::{Home, Resume},
};
use headwater_binlog::{
    gtid::{Gtid, GtidSource, Uuid},
    schema::TableName,
    xa::{Prepared, XaTable, Xid},
};
use proptest::prelude::*;

use super::*;

const UUID: &str = "1b8f86dd-e709-11f1-a854-02fc00000001";

fn checkpoint(epoch: u32, offset: u64) -> Checkpoint {
    let position = format!("binlog.000012:{offset}").parse().unwrap();
    let mut resume = Resume::at(position, format!("{UUID}:1-5:7").parse().unwrap());
    resume.mark.rows_done = 17;
    resume.commit_us = 1_795_416_214_123_456;
    Checkpoint {
        name: "shop".to_owned(),
        server_id: 4_294_967_295,
        home: Home {
            server_uuid: UUID.parse().unwrap(),
            epoch,
        },
        resume,
        ordering: OrderingKey::PrimaryKey { lanes: 8 },
        tables: Default::default(),
        snapshot_tables: Default::default(),
        drained: false,
        parked: Default::default(),
    }
}

fn wait<T>(future: BoxFuture<'static, T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

struct Place {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        Self { folder, path }
    }

    fn with(checkpoint: Checkpoint) -> Self {
        let place = Self::new();
        wait(place.open().save(checkpoint)).unwrap();
        place
    }

    fn open(&self) -> FileStore {
        FileStore::open(&self.path, "shop").unwrap()
    }

    fn refusal(&self) -> Failure {
        let failure = FileStore::open(&self.path, "shop").unwrap_err();
        assert!(failure.is_definite(), "{failure}");
        assert!(failure.hint.is_some(), "{failure}");
        failure
    }
}

#[test]
fn what_is_saved_is_loaded_by_the_next_process() {
    let saved = checkpoint(3, 2401);
    let place = Place::with(saved.clone());
    let stored = wait(place.open().load()).unwrap();
    assert_eq!(stored.checkpoint, Some(saved));
    assert_eq!(stored.epoch, 3);
    assert!(stored.saved_us > 0);
}

#[test]
fn nothing_stored_is_epoch_0_and_no_position() {
    assert_eq!(wait(Place::new().open().load()).unwrap(), Stored::default());
}

#[test]
fn clearing_keeps_the_epoch() {
    let place = Place::with(checkpoint(3, 2401));
    wait(place.open().clear()).unwrap();
    let stored = wait(place.open().load()).unwrap();
    assert_eq!((stored.epoch, stored.checkpoint), (3, None));
    let failure = wait(place.open().save(checkpoint(2, 4))).unwrap_err();
    assert!(
        failure.is_definite() && failure.to_string().contains("epoch 3"),
        "{failure}"
    );
    wait(place.open().save(checkpoint(4, 4))).unwrap();
}

#[test]
fn a_human_and_a_json_parser_can_read_it() {
    let place = Place::with(checkpoint(3, 2401));
    let text = fs::read_to_string(&place.path).unwrap();
    assert!(
        text.contains("\"position\": \"binlog.000012:2401\""),
        "{text}"
    );
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["epoch"], 3);
    assert_eq!(value["crc32"].as_str().unwrap().len(), 8);
    assert!(!beside(&place.path, "partial").exists());
}

#[test]
fn a_second_process_is_locked_out_until_the_first_is_gone() {
    let place = Place::new();
    let first = place.open();
    let failure = place.refusal();
    assert!(
        failure.to_string().contains("locked by another process"),
        "{failure}"
    );
    assert!(
        failure
            .to_string()
            .contains(&std::process::id().to_string()),
        "{failure}"
    );
    peek(&place.path, "shop").unwrap();
    drop(first);
    place.open();
}

#[test]
fn a_newer_version_is_refused_as_such() {
    let place = Place::with(checkpoint(3, 2401));
    let text = fs::read_to_string(&place.path).unwrap();
    fs::write(
        &place.path,
        text.replace("\"version\": 1", "\"version\": 2"),
    )
    .unwrap();
    assert!(place.refusal().to_string().contains("version 2"));
}

#[test]
fn the_checkpoint_of_another_pipeline_is_refused() {
    let place = Place::with(checkpoint(3, 2401));
    let failure = FileStore::open(&place.path, "other").unwrap_err();
    assert!(failure.is_definite());
    assert!(
        failure
            .to_string()
            .contains("pipeline \"shop\", not to \"other\""),
        "{failure}"
    );
}

#[test]
fn an_empty_file_is_damaged_and_never_a_new_start() {
    let place = Place::new();
    fs::write(&place.path, "").unwrap();
    assert!(place.refusal().to_string().contains("damaged"));
}

#[test]
fn a_missing_folder_says_what_to_do() {
    let place = Place::new();
    let path = place.folder.path().join("missing").join("checkpoint");
    let failure = FileStore::open(&path, "shop").unwrap_err();
    assert!(failure.is_definite());
    assert!(failure.hint.unwrap().contains("does not exist"));
    assert!(peek(&path, "shop").unwrap_err().is_definite());
}

#[test]
fn a_folder_in_the_place_of_the_file_is_refused() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    assert!(place.refusal().hint.unwrap().contains("must be a file"));
}

#[test]
fn a_save_that_a_disk_refuses_may_pass_later() {
    let place = Place::with(checkpoint(3, 100));
    let store = place.open();
    // Root may write anywhere, but nobody a file over a folder.
    let partial = durable::beside(&place.path, "partial");
    fs::create_dir(&partial).unwrap();
    let failure = wait(store.save(checkpoint(3, 200))).unwrap_err();
    assert!(
        !failure.is_definite() && failure.hint.is_some(),
        "{failure}"
    );
    assert_eq!(
        wait(store.load()).unwrap().checkpoint,
        Some(checkpoint(3, 100))
    );
    fs::remove_dir(&partial).unwrap();
    wait(store.save(checkpoint(3, 300))).unwrap();
    assert_eq!(
        wait(store.load()).unwrap().checkpoint,
        Some(checkpoint(3, 300))
    );
}

#[test]
fn a_full_disk_says_to_make_room_and_may_be_cured() {
    let full = io_error(Path::new("x"), "write", io::ErrorKind::StorageFull.into());
    let failure = curable(full);
    assert!(!failure.is_definite());
    assert!(failure.hint.unwrap().contains("make room"));
}

#[test]
fn a_checkpoint_behind_a_link_is_written_behind_it() {
    let place = Place::new();
    let volume = tempfile::tempdir().unwrap();
    let target = volume.path().join("checkpoint");
    std::os::unix::fs::symlink(&target, &place.path).unwrap();
    ensure_writable(&place.path).unwrap();
    let store = place.open();
    wait(store.save(checkpoint(3, 100))).unwrap();
    assert!(fs::symlink_metadata(&place.path).unwrap().is_symlink());
    assert!(fs::symlink_metadata(&target).unwrap().is_file());
    assert_eq!(
        wait(store.load()).unwrap().checkpoint,
        Some(checkpoint(3, 100))
    );
}

#[test]
fn a_lock_file_that_is_removed_lets_nobody_in_and_is_made_again() {
    let place = Place::with(checkpoint(3, 100));
    let store = place.open();
    fs::remove_file(durable::beside(&place.path, "lock")).unwrap();
    let refused = place.refusal().to_string();
    assert!(refused.contains("whose lock file was removed"), "{refused}");
    fs::remove_file(durable::beside(&place.path, "lock")).unwrap();
    wait(store.save(checkpoint(3, 200))).unwrap();
    let refused = place.refusal().to_string();
    let pid = std::process::id().to_string();
    assert!(refused.contains(&pid), "{refused}");
    wait(store.save(checkpoint(3, 300))).unwrap();
    drop(store);
    let next = place.open();
    assert_eq!(
        wait(next.load()).unwrap().checkpoint,
        Some(checkpoint(3, 300))
    );
}

#[test]
fn who_lost_lock_file_and_checkpoint_saves_nothing_more() {
    let place = Place::with(checkpoint(3, 100));
    let store = place.open();
    fs::remove_file(durable::beside(&place.path, "lock")).unwrap();
    fs::remove_file(&place.path).unwrap();
    let next = place.open();
    assert!(
        wait(store.save(checkpoint(3, 200)))
            .unwrap_err()
            .is_definite()
    );
    wait(next.save(checkpoint(3, 300))).unwrap();
    assert_eq!(
        wait(next.load()).unwrap().checkpoint,
        Some(checkpoint(3, 300))
    );
}

#[test]
fn a_fifo_in_the_place_of_the_file_is_refused_at_once() {
    let place = Place::new();
    let made = std::process::Command::new("mkfifo")
        .arg(&place.path)
        .status();
    assert!(made.unwrap().success());
    assert!(place.refusal().is_definite());
}

#[test]
fn an_overtaken_save_does_not_undo_the_later_one() {
    let place = Place::new();
    let store = place.open();
    let early = store.save(checkpoint(3, 100));
    wait(store.save(checkpoint(3, 200))).unwrap();
    wait(early).unwrap();
    let stored = wait(store.load()).unwrap();
    assert_eq!(stored.checkpoint, Some(checkpoint(3, 200)));
}

#[test]
fn writability_is_tried_without_a_trace_beside_a_running_pipeline() {
    let place = Place::with(checkpoint(3, 2401));
    let store = place.open();
    let files = || fs::read_dir(place.folder.path()).unwrap().count();
    let before = files();
    ensure_writable(&place.path).unwrap();
    assert_eq!(files(), before);
    assert!(wait(store.load()).unwrap().checkpoint.is_some());
    let missing = place.folder.path().join("missing").join("checkpoint");
    assert!(ensure_writable(&missing).unwrap_err().is_definite());
}

#[test]
fn how_a_run_ended_is_read_by_the_next_one_and_stays_through_its_saves() {
    let place = Place::with(checkpoint(3, 2401));
    let end = LastEnd {
        how: EndedBy::Halt,
        reason: Some("no stream \"cdc\"".to_owned()),
        hint: Some("create it".to_owned()),
        at_us: 7,
    };
    wait(place.open().note_end(end.clone())).unwrap();
    let store = place.open();
    let stored = wait(store.load()).unwrap();
    assert_eq!(stored.checkpoint, Some(checkpoint(3, 2401)));
    assert_eq!(stored.last_end, Some(end.clone()));
    wait(store.save(checkpoint(3, 9000))).unwrap();
    wait(store.clear()).unwrap();
    assert_eq!(peek(&place.path, "shop").unwrap().last_end, Some(end));
}

#[test]
fn a_crash_at_any_byte_of_a_save_leaves_the_old_checkpoint() {
    let old = checkpoint(3, 2401);
    let place = Place::with(old.clone());
    let next = Stored {
        epoch: 4,
        checkpoint: Some(checkpoint(4, 9000)),
        saved_us: 1,
        last_end: None,
    };
    let text = body::encode("shop", &next).unwrap();
    for cut in 0..=text.len() {
        fs::write(beside(&place.path, "partial"), &text.as_bytes()[..cut]).unwrap();
        let store = place.open();
        let stored = wait(store.load()).unwrap();
        assert_eq!(stored.checkpoint.as_ref(), Some(&old), "{cut} bytes");
    }
    wait(place.open().save(checkpoint(4, 9000))).unwrap();
    let stored = wait(place.open().load()).unwrap();
    assert_eq!(stored.checkpoint, Some(checkpoint(4, 9000)));
}

fn key(lanes: Option<u32>) -> OrderingKey {
    lanes.map_or(OrderingKey::Table, |lanes| OrderingKey::PrimaryKey {
        lanes,
    })
}

fn parked_table(table: String, reason: String, offset: u32) -> Parked {
    let like = checkpoint(2, u64::from(offset));
    Parked {
        table: TableName {
            database: "shop".into(),
            table,
        },
        reason,
        since_us: 5,
        home: like.home,
        resume: like.resume,
    }
}

fn route(pattern: &str, key: OrderingKey) -> RouteOrdering {
    RouteOrdering {
        tables: TableFilter::new(&[pattern.to_owned()]).unwrap(),
        key,
    }
}

#[test]
fn without_column_lists_the_text_is_what_it_always_was() {
    let stored = Stored {
        epoch: 3,
        checkpoint: Some(checkpoint(3, 2401)),
        saved_us: 1,
        last_end: None,
    };
    let text = body::encode("shop", &stored).unwrap();
    assert!(
        !text.contains("columns") && !text.contains("parked"),
        "{text}"
    );
}

proptest! {
    #[test]
    fn any_checkpoint_survives_its_text(
        (epoch, server_id, rows_done, commit_us, saved_us) in any::<(u32, u32, u64, u64, u64)>(),
        (number, offset) in (1u32.., any::<u64>()),
        lanes in prop::option::of(1u32..=256),
        routes in prop::collection::vec(("[a-d*]{1,5}[.][a-d*?]{1,5}", prop::option::of(1u32..=256)), 0..3),
        is_stored in any::<bool>(),
        drained in any::<bool>(),
        open in prop::collection::vec((any::<[u8; 8]>(), 1_u64..9, any::<bool>(), any::<bool>()), 0..4),
        parked in prop::collection::vec((".{1,9}", ".{0,9}", any::<u32>()), 0..3),
        end in prop::option::of((prop::option::of(".{0,9}"), any::<u64>())),
    ) {
        let open = open.into_iter().map(|(gtrid, number, is_here, has_gtid)| {
            let source = GtidSource::untagged(Uuid([7; 16]));
            Prepared {
                xid: Xid { gtrid: gtrid.to_vec(), bqual: Vec::new(), format_id: 1 },
                position: is_here.then(|| "mysql-bin.000007:4".parse().unwrap()),
                gtid: has_gtid.then(|| Gtid::new(source, number)),
            }
        });
        let mut resume = checkpoint(epoch, 4).resume;
        resume.mark.position = format!("mysql-bin.{number:06}:{offset}").parse().unwrap();
        resume.mark.rows_done = rows_done;
        resume.commit_us = commit_us;
        resume.xa = XaTable::new(open.collect());
        let checkpoint = Checkpoint {
            server_id,
            resume,
            ordering: OrderingKey::routed(
                routes.iter().map(|(pattern, lanes)| route(pattern, key(*lanes))).collect(),
                key(lanes),
            ),
            tables: Default::default(),
            drained,
            parked: parked.into_iter().map(|(table, reason, offset)| parked_table(table, reason, offset)).collect(),
            ..checkpoint(epoch, 4)
        };
        let stored = Stored { epoch, checkpoint: is_stored.then_some(checkpoint), saved_us, last_end: end.map(|(reason, at_us)| LastEnd { how: EndedBy::Grace, reason, hint: None, at_us }) };
        let text = body::encode("shop", &stored).unwrap();
        prop_assert_eq!(body::decode(text.as_bytes(), Path::new("c"), "shop").unwrap(), stored);
    }

    #[test]
    fn a_changed_or_missing_byte_is_found(part in 0.0..1.0f64, flip in 1u8.., is_cut in any::<bool>()) {
        let stored = Stored { epoch: 3, checkpoint: Some(checkpoint(3, 2401)), saved_us: 1, last_end: None };
        let mut bytes = body::encode("shop", &stored).unwrap().into_bytes();
        let at = (bytes.len() as f64 * part) as usize;
        if is_cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= flip;
        }
        prop_assert!(body::decode(&bytes, Path::new("c"), "shop").is_err());
    }
}
