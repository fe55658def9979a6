//! The image's files, and nothing else, run the program: another user, a read-only root, no shell, no rights.
//!
//! With HEADWATER_IMAGE_BINARY it is that binary, and `scripts/image-check` prints the figures. Not here: a container
//! engine, and another architecture.

use std::{
    collections::BTreeSet,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use headwater_harness::{
    kinesis::Kinesis,
    mysql::{MySql, PASSWORD, USER},
    program::Launch,
    wait::Deadline,
};

use crate::{BINARY, WITHIN, read, root};

fn binary() -> String {
    std::env::var("HEADWATER_IMAGE_BINARY").unwrap_or_else(|_| BINARY.to_owned())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

fn lay_out() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(root().join("scripts/image-files"))
        .arg(binary())
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // A temporary folder is its owner's alone; the image's root is everybody's.
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

fn run(image: &Path, volume: &Path, arguments: &[&str]) -> anyhow::Result<Launch> {
    let (image, volume) = (image.display().to_string(), volume.display().to_string());
    let arguments = [&[image.as_str(), volume.as_str()], arguments].concat();
    Launch::new(root().join("scripts/image-run"), root(), &arguments)
}

#[test]
fn the_image_holds_the_program_its_libraries_and_certificates_alone() {
    let image = lay_out();
    let mut names = BTreeSet::new();
    for path in files(image.path()) {
        let inside = path
            .strip_prefix(image.path())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let is_library = inside.starts_with("lib") && inside.contains(".so");
        if !is_library && !inside.starts_with("usr/share/doc/") {
            names.insert(inside);
        }
    }
    let expected = [
        "etc/group",
        "etc/nsswitch.conf",
        "etc/passwd",
        "etc/ssl/certs/ca-certificates.crt",
        "usr/local/bin/headwater",
    ];
    assert_eq!(names, expected.map(str::to_owned).into());
    assert!(
        read("Dockerfile").contains("scripts/image-files"),
        "the image is built by the same list"
    );
    assert!(read(".dockerignore").contains("!scripts/image-files"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_streams_as_another_user_on_a_read_only_root() -> anyhow::Result<()> {
    let (mysql, kinesis) = tokio::try_join!(MySql::start(), Kinesis::start())?;
    tokio::try_join!(
        mysql.exec("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY)"),
        kinesis.create_stream("changes", 1),
    )?;
    let (image, volume) = (lay_out(), tempfile::tempdir()?);
    let sizes = |path: &PathBuf| path.metadata().unwrap().len();
    let bytes: u64 = files(image.path()).iter().map(sizes).sum();
    let beside = bytes - sizes(&image.path().join("usr/local/bin/headwater"));
    assert!(beside <= 5_000_000, "{beside} bytes beside the program");

    // By name: the resolver is one of the libraries. MySQL's certificate is not looked at, so TLS is.
    let launch = run(image.path(), volume.path(), &["run"])?
        .env("HEADWATER__SOURCE__PASSWORD", PASSWORD)
        .setting(
            "source.url",
            &format!("mysql://{USER}@localhost:{}", mysql.port()),
        )
        .setting("source.tls.mode", "required")
        .setting("sink.type", "kinesis")
        .setting("sink.kinesis.stream", "changes")
        .setting(
            "sink.kinesis.endpoint_url",
            &kinesis.endpoint().replace("127.0.0.1", "localhost"),
        )
        .shown();
    let mut program = launch.start()?;
    let deadline = Deadline::after(WITHIN, "the program to answer");
    while program.page("/livez").await.is_err() {
        deadline.pause().await?;
    }
    let alive = program.started().elapsed();
    let ready = program.wait_ready(WITHIN).await?;
    mysql.exec("INSERT INTO shop.orders VALUES (7)").await?;
    let mut consumer = kinesis.consumer("changes").await?;
    let arrived = consumer.read_lines(1, WITHIN).await?;
    assert_eq!(arrived.len(), 1);

    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id()))?;
    let of = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(of("NoNewPrivs:"), ["1"]);
    // Who is not root cannot become another user: the files are proven, the user is not.
    if std::fs::metadata("/proc/self")?.uid() == 0 {
        assert_eq!(of("CapEff:"), ["0000000000000000"]);
        assert_eq!(of("Uid:"), ["65532"; 4]);
        assert_eq!(of("Gid:"), ["65532"; 4]);
        assert!(of("Groups:").is_empty());
    }
    let root_of = std::fs::read_link(format!("/proc/{}/root", program.id()))?;
    assert_eq!(root_of, image.path());
    let mounts = std::fs::read_to_string(format!("/proc/{}/mounts", program.id()))?;
    let is_read_only = |line: &str| {
        let fields: Vec<_> = line.split(' ').collect();
        fields[1] == "/" && fields[3].split(',').any(|option| option == "ro")
    };
    assert!(mounts.lines().any(is_read_only), "{mounts}");
    let memory = program.rss_kib()? / 1024;

    // The health check of the orchestrator, inside the same files.
    let listen = format!("127.0.0.1:{}", launch.telemetry_port());
    let health = run(image.path(), volume.path(), &["health", "--ready"])?
        .setting("telemetry.listen", &listen)
        .finish(WITHIN)
        .await?;
    assert_eq!(health.code(), Some(0), "{}", health.text());
    let ended = program.drain(WITHIN).await?;
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert!(volume.path().join("headwater.checkpoint").is_file());
    if std::env::var_os("HEADWATER_IMAGE_BINARY").is_some() {
        assert!(bytes <= 30_000_000, "{bytes} bytes");
    }
    println!(
        "image: {:.1} MB of files; alive after {} ms, streaming after {} ms; {memory} MiB resident",
        bytes as f64 / 1e6,
        alive.as_millis(),
        ready.as_millis(),
    );
    Ok(())
}
