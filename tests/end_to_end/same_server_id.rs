//! Others that read from the server under our name or our `server_id`.

use headwater_harness::{
    mysql::MySql,
    program::{Launch, Program},
    wait::Deadline,
};
use tempfile::TempDir;

use crate::world::{BINARY, WITHIN, delivered, says};

const SERVER_ID: &str = "77";

/// A pipeline with a folder, a checkpoint and a file sink of its own.
struct Pipeline {
    folder: TempDir,
    launch: Launch,
}

impl Pipeline {
    fn new(server: &MySql, name: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = format!(
            "name = \"{name}\"\n[source]\nurl = \"{}\"\nstart = \"earliest\"\nserver_id = {SERVER_ID}\n\
             [sink]\ntype = \"file\"\n[sink.file]\npath = \"out.json\"\n[checkpoint]\ninterval_ms = 50\n",
            server.headwater_url()
        );
        let launch = Launch::run(BINARY, folder.path(), &config)?;
        Ok(Self { folder, launch })
    }

    fn lines(&self) -> anyhow::Result<usize> {
        let text = std::fs::read_to_string(self.folder.path().join("out.json"))?;
        Ok(text.lines().count())
    }
}

async fn served(program: &mut Program, server: &MySql) -> anyhow::Result<()> {
    program.wait_ready(WITHIN).await?;
    delivered(program, server).await
}

async fn server(of: MySql) -> anyhow::Result<MySql> {
    of.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)")
        .await?;
    Ok(of)
}

#[tokio::test]
async fn a_second_process_of_the_pipeline_takes_over_and_the_first_halts_with_the_reason()
-> anyhow::Result<()> {
    let server = server(MySql::start().await?).await?;
    let (first, second) = (Pipeline::new(&server, "a")?, Pipeline::new(&server, "a")?);
    let mut program = first.launch.start()?;
    served(&mut program, &server).await?;
    let check = Launch::new(
        BINARY,
        second.folder.path(),
        &["check", "-c", "headwater.toml"],
    )?;
    let checked = check.finish(WITHIN).await?;
    let text = checked.text();
    assert!(text.contains("77 reads from the server now"), "{text}");
    let mut taker = second.launch.start()?;
    says(
        &program.wait_exit(WITHIN).await?,
        1,
        &["taken over", "server_id"],
    );
    server.exec("INSERT INTO d.t VALUES (1), (2)").await?;
    served(&mut taker, &server).await?;
    assert_eq!(taker.drain(WITHIN).await?.code(), Some(0));
    assert_eq!(second.lines()?, first.lines()? + 2);
    Ok(())
}

#[tokio::test]
async fn another_pipeline_with_the_same_server_id_disturbs_nobody_on_mysql() -> anyhow::Result<()> {
    let server = server(MySql::start().await?).await?;
    let (a, b) = (Pipeline::new(&server, "a")?, Pipeline::new(&server, "b")?);
    let mut programs = [a.launch.start()?, b.launch.start()?];
    for id in 0..3 {
        server
            .exec(&format!("INSERT INTO d.t VALUES ({id})"))
            .await?;
        for program in &mut programs {
            served(program, &server).await?;
        }
    }
    for program in programs {
        let reconnects = program
            .metric("headwater_source_reconnects_total", &[])
            .await?;
        assert_eq!(reconnects.unwrap_or_default(), 0.0);
        assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    }
    assert_eq!(a.lines()?, b.lines()?);
    Ok(())
}

/// MariaDB knows replicas by `server_id` alone.
#[tokio::test]
async fn another_reader_with_the_same_server_id_on_mariadb_ends_in_one_that_halts_with_the_reason()
-> anyhow::Result<()> {
    let server = server(MySql::mariadb(&[]).await?).await?;
    let (a, b) = (Pipeline::new(&server, "a")?, Pipeline::new(&server, "b")?);
    let mut first = a.launch.start()?;
    served(&mut first, &server).await?;
    let mut second = b.launch.start()?;
    served(&mut second, &server).await?;
    // MariaDB ends the older dump when it next looks at it.
    let deadline = Deadline::after(WITHIN, "the first to be ended");
    let mut id = 0;
    while first
        .page("/readyz")
        .await
        .is_ok_and(|page| page.status == 200)
    {
        server
            .exec(&format!("INSERT INTO d.t VALUES ({id})"))
            .await?;
        id += 1;
        deadline.pause().await?;
    }
    says(&first.wait_exit(WITHIN).await?, 1, &["server_id"]);
    served(&mut second, &server).await?;
    assert_eq!(second.drain(WITHIN).await?.code(), Some(0));
    Ok(())
}
