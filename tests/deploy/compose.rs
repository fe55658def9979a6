//! compose.yaml: its settings are a plan, its names and ports agree, and its parts work together as far as they run
//! without a container engine: the settings, the account, the stream's maker and the reader, with servers of our own.

use std::process::Command;

use headwater_harness::{cache, moto::Moto, mysql::MySql, program::Launch, wait::Deadline};
use serde_json::Value;

use crate::{BINARY, WITHIN, plan, port, yaml};

fn compose() -> &'static Value {
    yaml::file("compose.yaml")
}

fn headwater() -> &'static Value {
    &compose()["services"]["headwater"]
}

fn settings() -> &'static str {
    headwater()["environment"]["HEADWATER_CONFIG"]
        .as_str()
        .unwrap()
}

#[test]
fn its_settings_are_a_plan_and_its_times_fit() {
    let plan = plan(settings());
    let limit = headwater()["stop_grace_period"]
        .as_str()
        .unwrap()
        .trim_end_matches('s');
    assert!(plan.shutdown_grace.as_secs() < limit.parse().unwrap());
    assert!(
        settings().contains("path = \"/var/lib/headwater/"),
        "its volume"
    );
}

/// Docker would start what halted again, for ever.
#[test]
fn a_halt_stays_ended() {
    assert_eq!(headwater()["restart"], "no");
}

#[test]
fn names_and_ports_agree() {
    let services = compose()["services"].as_object().unwrap();
    let host = |url: &str| {
        url.split(['/', '@'])
            .next_back()
            .unwrap()
            .split(':')
            .next()
            .unwrap()
            .to_owned()
    };
    let settings: toml::Table = settings().parse().unwrap();
    for url in [
        &settings["source"]["url"],
        &settings["sink"]["kinesis"]["endpoint_url"],
    ] {
        assert!(services.contains_key(&host(url.as_str().unwrap())), "{url}");
    }
    for name in ["stream", "lines"] {
        let endpoint = services[name]["environment"]["AWS_ENDPOINT_URL"].as_str();
        assert_eq!(
            endpoint,
            settings["sink"]["kinesis"]["endpoint_url"].as_str()
        );
    }
    let published = headwater()["ports"][0].as_str().unwrap();
    assert!(published.ends_with(&format!(":{}", port())), "{published}");
    let configs = compose()["configs"].as_object().unwrap();
    for (name, service) in services {
        for needed in service["depends_on"].as_object().into_iter().flatten() {
            assert!(services.contains_key(needed.0), "{name} needs {}", needed.0);
        }
        for config in service["configs"].as_array().into_iter().flatten() {
            assert!(
                configs.contains_key(config["source"].as_str().unwrap()),
                "{name}"
            );
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let (volume, _) = volume.as_str().unwrap().split_once(':').unwrap();
            assert!(
                compose()["volumes"].get(volume).is_some(),
                "{name}: {volume}"
            );
        }
    }
    let content = |name: &str| yaml::parse(configs[name]["content"].as_str().unwrap());
    let target = &content("prometheus")["scrape_configs"][0]["static_configs"][0]["targets"][0];
    assert_eq!(target, &format!("headwater:{}", port()));
    let source = &content("datasource")["datasources"][0]["url"];
    let published = services["prometheus"]["ports"][0].as_str().unwrap();
    let inner = published.rsplit(':').next().unwrap();
    assert_eq!(source, &format!("http://prometheus:{inner}"));
}

/// The API is the one of these tests.
#[test]
fn the_api_is_the_one_that_is_tested() -> anyhow::Result<()> {
    let installed = cache::version("moto")?;
    let wanted = installed.replace("moto ", "motoserver/moto:");
    for name in ["kinesis", "stream", "lines"] {
        assert_eq!(compose()["services"][name]["image"], wanted);
    }
    Ok(())
}

/// The program of a service, by the library that its image has.
fn script(service: &str, moto: &Moto) -> anyhow::Result<String> {
    let entrypoint = &compose()["services"][service]["entrypoint"];
    anyhow::ensure!(entrypoint[0] == "python" && entrypoint[1] == "-c");
    let output = Command::new(cache::installed("moto")?.join("venv/bin/python"))
        .args(["-c", entrypoint[2].as_str().unwrap()])
        .envs(headwater_harness::aws::ENVIRONMENT)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", moto.endpoint())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{service}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_printed_by_the_lines() -> anyhow::Result<()> {
    let (mysql, moto) = tokio::try_join!(MySql::start(), Moto::start())?;
    // The account is made anew, as its own server would have it.
    mysql.exec("DROP USER 'headwater'@'%'").await?;
    mysql
        .exec(compose()["configs"]["shop"]["content"].as_str().unwrap())
        .await?;
    for _ in 0..2 {
        script("stream", &moto)?; // again, as after `up`
    }
    let folder = tempfile::tempdir()?;
    let password = headwater()["environment"]["HEADWATER__SOURCE__PASSWORD"]
        .as_str()
        .unwrap();
    let url = format!("mysql://headwater@127.0.0.1:{}", mysql.port());
    let mut program = Launch::new(BINARY, folder.path(), &["run"])?
        .env("HEADWATER_CONFIG", settings())
        .env("HEADWATER__SOURCE__PASSWORD", password)
        .setting("source.url", &url)
        .setting("sink.kinesis.endpoint_url", &moto.endpoint())
        .setting("checkpoint.file.path", "shop.checkpoint")
        .shown()
        .start()?;
    program.wait_ready(WITHIN).await?;
    mysql
        .exec("INSERT INTO shop.orders (note) VALUES ('hello')")
        .await?;
    let deadline = Deadline::after(WITHIN, "the row in the stream");
    while !script("lines", &moto)?.contains(r#""note":"hello""#) {
        deadline.pause().await?;
    }
    let ended = program.drain(WITHIN).await?;
    anyhow::ensure!(ended.code() == Some(0), "{}", ended.text());
    Ok(())
}
