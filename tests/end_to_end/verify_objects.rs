//! `headwater verify` over a log in S3: whole objects of a real stream, as Firehose leaves them, and what may be wrong there.

use std::{
    io::Write,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::Context;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use headwater_harness::{
    facts::Facts,
    moto::Moto,
    program::{Finished, Launch},
};
use serde_json::{Value, json};

use crate::{
    scripted::{Answer, scripted},
    traffic::transactions,
    world::{BINARY, WITHIN, World, says},
};

const BUCKET: &str = "log";
const ALL: &str = "s3://log/changes/**/*.gz";
/// `n` counts the changes of a row. Far more bytes than a sort in one MiB holds.
const COUNTED: &str = "CREATE TABLE shop.counted (id INT PRIMARY KEY, n INT NOT NULL, note TEXT); \
    INSERT INTO shop.counted WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 300) \
        SELECT id, 1, REPEAT(CHAR(64 + id % 26), 10000) FROM n; \
    UPDATE shop.counted SET n = n + 1; DELETE FROM shop.counted WHERE id = 2; \
    INSERT INTO shop.counted VALUES (2, 1, 'again'); UPDATE shop.counted SET n = n + 1; \
    DELETE FROM shop.counted WHERE id = 3";

async fn verified(
    folder: &Path,
    endpoint: &str,
    arguments: &[&str],
) -> anyhow::Result<(Finished, Value)> {
    let arguments = [&["verify", "--json"], arguments].concat();
    let launch = Launch::new(BINARY, folder, &arguments)?.env("AWS_ENDPOINT_URL_S3", endpoint);
    let finished = launch.finish(WITHIN).await?;
    let report = serde_json::from_str(&finished.stdout.concat()).unwrap_or_default();
    Ok((finished, report))
}

/// One member a record, as Firehose appends them.
fn gzipped(records: &[Vec<u8>]) -> anyhow::Result<Bytes> {
    let mut object = Vec::new();
    for record in records {
        let mut encoder = GzEncoder::new(&mut object, Compression::fast());
        encoder.write_all(record)?;
        encoder.finish()?;
    }
    Ok(object.into())
}

/// What Firehose may do to lines: no order, some of them twice, some records without a line feed, objects by hour.
async fn delivered(moto: &Moto, lines: &[Value]) -> anyhow::Result<usize> {
    let mut random = fastrand::Rng::with_seed(7);
    let twice: Vec<_> = lines.iter().filter(|_| random.u8(..10) == 0).collect();
    let repeated = twice.len();
    let mut lines: Vec<_> = lines.iter().chain(twice).collect();
    random.shuffle(&mut lines);
    for (number, lines) in lines.chunks(40).enumerate() {
        let end = if number % 2 == 0 { "\n" } else { "" };
        let record = |lines: &[&Value]| {
            let lines: Vec<_> = lines.iter().map(|line| format!("{line}{end}")).collect();
            lines.concat().into_bytes()
        };
        let records: Vec<_> = lines.chunks(7).map(record).collect();
        let key = format!("changes/2026/11/30/{:02}/part-{number:04}.gz", number % 24);
        moto.put_object(BUCKET, &key, gzipped(&records)?).await?;
    }
    Ok(repeated)
}

#[tokio::test]
async fn a_log_in_s3_without_order_and_with_repetitions_equals_the_source_and_what_is_lost_is_found()
-> anyhow::Result<()> {
    let (world, moto) = tokio::try_join!(World::new(2), Moto::start())?;
    moto.create_bucket(BUCKET).await?;
    world.mysql.exec(COUNTED).await?;
    transactions(&world.mysql, 60).await?;
    world.catch_up().await?;
    let mut lines = Vec::new();
    for record in world.records().await? {
        for line in record.lines() {
            lines.push(serde_json::from_slice::<Value>(line)?);
        }
    }
    let changes = Facts::of(&world.mysql).await?.changes.len();
    let endpoint = moto.endpoint();
    let ordering = [
        "--unordered",
        "--sort-mib",
        "1",
        "--against-source",
        "-c",
        "headwater.toml",
    ];

    let repeated = delivered(&moto, &lines).await?;
    let (finished, report) =
        verified(world.folder(), &endpoint, &[&[ALL], &ordering[..]].concat()).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert_eq!(
        (&report["changes"], &report["duplicates"]),
        (&json!(changes), &json!(repeated)),
        "{report}"
    );
    assert!(
        report["source"]["rows_compared"].as_u64() >= Some(299),
        "{report}"
    );
    let (finished, report) = verified(world.folder(), &endpoint, &[ALL]).await?;
    assert_eq!(finished.code(), Some(1));
    assert!(report["order_violations"].as_u64() > Some(0), "{report}");
    // The stream itself, by the same way.
    let (finished, report) = verified(world.folder(), &endpoint, &ordering).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert_eq!(report["changes"], json!(changes), "{report}");

    let of = |kind: &str, id: u64, n: u64| {
        let is_it = |line: &Value| {
            line["table"] == "counted"
                && line["type"] == kind
                && line["key"]["id"] == id
                && line["data"]["n"] == n
        };
        lines.iter().position(is_it).context("the line")
    };
    let lost = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines
    };
    let mut wrong = lines.clone();
    wrong[of("update", 9, 2)?]["data"]["note"] = json!("other");
    let mut swapped = lines.clone();
    let (one, other) = (of("insert", 20, 1)?, of("insert", 21, 1)?);
    let note = swapped[one]["data"]["note"].take();
    swapped[one]["data"]["note"] = swapped[other]["data"]["note"].take();
    swapped[other]["data"]["note"] = note;
    for (what, lines, figure, amount) in [
        ("a lost update", lost(of("update", 7, 2)?), "missing", 1),
        ("a lost delete", lost(of("delete", 2, 2)?), "missing", 1),
        // Only the source tells.
        (
            "a lost last delete",
            lost(of("delete", 3, 3)?),
            "wrong_values",
            1,
        ),
        ("a wrong value", wrong, "wrong_values", 1),
        ("two values swapped", swapped, "wrong_values", 2),
    ] {
        delivered(&moto, &lines).await?;
        let arguments = [&[ALL, "--counter", "n"], &ordering[..]].concat();
        let (finished, report) = verified(world.folder(), &endpoint, &arguments).await?;
        assert_eq!(finished.code(), Some(1), "{what}: {}", finished.text());
        assert_eq!(report[figure], json!(amount), "{what}: {report}");
        assert_eq!(
            report["tables"]["shop.orders"]["missing"],
            json!(0),
            "{what}: {report}"
        );
    }
    Ok(())
}

/// An insert into a table without anything else.
fn insert(n: usize, note: &str) -> String {
    format!(
        "{{\"type\":\"insert\",\"database\":\"d\",\"table\":\"t\",\"id\":\"u:{n}/0\",\
         \"seq\":\"00000001.00000001.{n:016x}.00000000\",\"key\":{{\"id\":{n}}},\
         \"data\":{{\"id\":{n},\"note\":\"{note}\"}}}}\n"
    )
}

#[tokio::test]
async fn a_bucket_of_thousands_of_objects_is_read_by_name_and_large_ones_part_by_part()
-> anyhow::Result<()> {
    let (moto, folder) = (Moto::start().await?, tempfile::tempdir()?);
    moto.create_bucket(BUCKET).await?;
    for n in 0..2_100 {
        let key = format!("2026/{:02}/{n:04}.json", n / 100);
        moto.put_object(BUCKET, &key, insert(n, "").into()).await?;
    }
    let endpoint = moto.endpoint();
    for (argument, lines) in [
        ("s3://log/2026/", 2_100),
        ("s3://log/2026/**/*.json", 2_100),
        ("s3://log/2026/0[1-3]/*5.json", 30),
        ("s3://log/2026/20/20", 100),
        // Of that very name.
        ("s3://log/2026/05/0512.json", 1),
    ] {
        let (finished, report) = verified(folder.path(), &endpoint, &[argument]).await?;
        assert_eq!(finished.code(), Some(0), "{}", finished.text());
        let figures = (
            &report["lines"],
            &report["changes"],
            &report["order_violations"],
        );
        let wanted = (&json!(lines), &json!(lines), &json!(0));
        assert_eq!(figures, wanted, "{argument}: {report}");
    }

    // Three parts; other names that begin like it, signs that have a meaning in addresses, nothing at all.
    let note = "x".repeat(2_000);
    let large: String = (0..10_000).map(|n| insert(n, &note)).collect();
    moto.put_object(
        BUCKET,
        "large/a%20b+%25%C3%BC.zst",
        zstd::encode_all(large.as_bytes(), 1)?.into(),
    )
    .await?;
    moto.put_object(BUCKET, "large/plain", large.into()).await?;
    moto.put_object(BUCKET, "large/plain.bak", "no line".into())
        .await?;
    moto.put_object(BUCKET, "large/empty", Bytes::new()).await?;
    for argument in [
        "s3://log/large/plain",
        "s3://log/large/a *.zst",
        "s3://log/large/[ep]*[!k]",
    ] {
        let (finished, report) = verified(folder.path(), &endpoint, &[argument]).await?;
        assert_eq!(finished.code(), Some(0), "{}", finished.text());
        assert_eq!(report["changes"], json!(10_000), "{argument}: {report}");
    }
    for (argument, words) in [
        (
            "s3://log/2027/",
            ["no object of bucket \"log\"", "begins with \"2027/\""],
        ),
        (
            "s3://log/2026/*/*.gz",
            ["no object of bucket \"log\"", "matches \"2026/*/*.gz\""],
        ),
        (
            "s3://nowhere/2026/",
            ["NoSuchBucket", "create the bucket \"nowhere\""],
        ),
    ] {
        let (finished, _) = verified(folder.path(), &endpoint, &[argument]).await?;
        says(&finished, 1, &words);
    }
    Ok(())
}

const LISTED: &str = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key>\
    <ETag>&quot;e&quot;</ETag><Size>200</Size></Contents></ListBucketResult>";

/// S3 as far as it goes: a list, and what is said to who asks for the object.
async fn with_object(
    object: impl Fn(&str) -> Answer + Send + Sync + 'static,
) -> anyhow::Result<String> {
    scripted(move |request| match request.contains("list-type=2") {
        true => Answer::of("200 OK", LISTED),
        false => object(request),
    })
    .await
}

fn refused(status: &str, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>said so</Message></Error>");
    Answer::of(status, &body)
}

#[tokio::test]
async fn what_s3_refuses_says_which_right_or_region_is_missing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let elsewhere = "301 Moved Permanently\r\nx-amz-bucket-region: eu-west-3";
    for (endpoint, words) in [
        (
            scripted(|_| refused("403 Forbidden", "AccessDenied")).await?,
            [
                "allow the action s3:ListBucket on the bucket \"log\"",
                "said so",
            ],
        ),
        (
            with_object(|_| refused("403 Forbidden", "AccessDenied")).await?,
            [
                "allow the action s3:GetObject on the object \"log/a\"",
                "kms:Decrypt",
            ],
        ),
        (
            scripted(move |_| refused(elsewhere, "PermanentRedirect")).await?,
            ["the bucket is in eu-west-3", "set AWS_REGION"],
        ),
        (
            with_object(|_| refused("404 Not Found", "NoSuchKey")).await?,
            ["object \"log/a\"", "was listed and is gone"],
        ),
        (
            with_object(|_| refused("412 Precondition Failed", "PreconditionFailed")).await?,
            ["object \"log/a\"", "was replaced while it was read"],
        ),
        (
            with_object(|_| refused("403 Forbidden", "InvalidObjectState")).await?,
            ["object \"log/a\"", "restore the object"],
        ),
        (
            scripted(|_| Answer::of("200 OK", "<html></html>")).await?,
            [
                "s3:ListBucket on bucket \"log\"",
                "what answers there is not S3",
            ],
        ),
        (
            with_object(|_| Answer::of("200 OK", "short")).await?,
            [
                "5 bytes were answered where 200",
                "what answers there is not S3",
            ],
        ),
    ] {
        let (finished, _) = verified(folder.path(), &endpoint, &["s3://log/"]).await?;
        says(&finished, 1, &words);
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_cut_is_asked_for_again_and_one_without_end_is_cut() -> anyhow::Result<()>
{
    let folder = tempfile::tempdir()?;
    let whole = format!("{:<200}", insert(1, "").trim_end());
    let cut = |whole: &str| {
        Answer::Whole(
            format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Length: 200\r\n\r\n{}",
                &whole[..90]
            )
            .into(),
        )
    };
    let (asked, text) = (AtomicUsize::new(0), whole.clone());
    let passing = with_object(move |request| {
        assert!(
            request.contains("bytes=0-199") && request.contains("\"e\""),
            "{request}"
        );
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 => cut(&text),
            1 => refused("503 Slow Down", "SlowDown"),
            _ => Answer::of("206 Partial Content", &text),
        }
    });
    let (finished, report) = verified(folder.path(), &passing.await?, &["s3://log/"]).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert_eq!(report["changes"], json!(1), "{report}");

    let always = with_object(move |_| cut(&whole)).await?;
    let (finished, _) = verified(folder.path(), &always, &["s3://log/"]).await?;
    says(
        &finished,
        1,
        &["s3:GetObject on object \"log/a\" failed", "hint: "],
    );

    let head = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 99999999999\r\n\r\n";
    for endpoint in [
        with_object(|_| Answer::Endless(head.to_vec())).await?,
        scripted(|_| Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n<ListBucketResult>".to_vec()))
            .await?,
    ] {
        let (finished, _) = verified(folder.path(), &endpoint, &["s3://log/"]).await?;
        says(
            &finished,
            1,
            &[
                "longer than the 9437184 bytes",
                "what answers there is not S3",
            ],
        );
    }
    Ok(())
}
