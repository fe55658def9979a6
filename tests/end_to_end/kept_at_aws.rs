//! Settings that AWS keeps: an object of S3, a parameter of SSM, and what is said where they cannot be had.

use bytes::Bytes;
use headwater_harness::{
    moto::Moto,
    program::{Finished, Launch},
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use crate::{
    scripted::{Answer, scripted},
    world::{BINARY, WITHIN, says},
};

async fn headwater(folder: &TempDir, moto: &str, arguments: &[&str]) -> anyhow::Result<Finished> {
    Launch::new(BINARY, folder.path(), arguments)?
        .env("AWS_ENDPOINT_URL_S3", moto)
        .env("AWS_ENDPOINT_URL_SSM", moto)
        .finish(WITHIN)
        .await
}

#[tokio::test]
async fn settings_of_s3_and_ssm_are_layers_like_files() -> anyhow::Result<()> {
    let (moto, folder) = (Moto::start().await?, tempfile::tempdir()?);
    moto.create_bucket("settings").await?;
    let base = "[workers]\nthreads = 2\n[source]\nstart = \"earliest\"\n[sink]\ntype = \"null\"\n";
    moto.put_object("settings", "a%20b/base.toml", Bytes::from(base))
        .await?;
    moto.put_parameter("/headwater/orders", "[workers]\nthreads = 3\n")
        .await?;
    std::fs::write(
        folder.path().join("own.toml"),
        "[sink]\ntype = \"stdout\"\n",
    )?;
    let arguments = [
        "config",
        "-c",
        "s3://settings/a b/base.toml",
        "-c",
        "ssm:/headwater/orders",
        "-c",
        "own.toml",
    ];
    let printed = headwater(&folder, &moto.endpoint(), &arguments).await?;
    says(
        &printed,
        0,
        &[
            "start = \"earliest\" # \"s3://settings/a b/base.toml\" line 4",
            "threads = 3 # \"ssm:/headwater/orders\" line 2",
            "type = \"stdout\" # \"own.toml\" line 2",
        ],
    );
    Ok(())
}

/// Each service at its own endpoint, as the AWS SDKs read it; one of the environment wins over it.
#[tokio::test]
async fn a_profile_may_name_the_endpoint_of_each_service() -> anyhow::Result<()> {
    let (moto, folder) = (Moto::start().await?, tempfile::tempdir()?);
    moto.create_bucket("settings").await?;
    let base = Bytes::from("[workers]\nthreads = 2\n");
    moto.put_object("settings", "base.toml", base).await?;
    moto.put_parameter("/headwater/orders", "[sink]\ntype = \"null\"\n")
        .await?;
    let config = folder.path().join("aws-config");
    let endpoint = moto.endpoint();
    std::fs::write(
        &config,
        format!(
            "[profile ours]\nservices = local\nendpoint_url = http://127.0.0.1:9\n\
             [services local]\ns3 =\n  endpoint_url = {endpoint}\nssm =\n  endpoint_url = {endpoint}\n"
        ),
    )?;
    let arguments = [
        "config",
        "-c",
        "s3://settings/base.toml",
        "-c",
        "ssm:/headwater/orders",
    ];
    let launch = Launch::new(BINARY, folder.path(), &arguments)?
        .env("AWS_CONFIG_FILE", &config.to_string_lossy())
        .env("AWS_PROFILE", "ours");
    let printed = launch.clone().finish(WITHIN).await?;
    says(&printed, 0, &["threads = 2 #", "type = \"null\" #"]);
    let elsewhere = launch.env("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:9");
    says(&elsewhere.finish(WITHIN).await?, 2, &["ssm:GetParameter"]);
    Ok(())
}

#[tokio::test]
async fn settings_that_cannot_be_had_say_what_to_create_or_correct() -> anyhow::Result<()> {
    let (moto, folder) = (Moto::start().await?, tempfile::tempdir()?);
    moto.create_bucket("settings").await?;
    let large = Bytes::from(vec![b'#'; (1 << 20) + 1]);
    moto.put_object("settings", "large.toml", large).await?;
    for (argument, words) in [
        (
            "s3://settings/none.toml",
            ["s3:GetObject on object", "NoSuchKey", "create the object"],
        ),
        (
            "s3://nowhere/h.toml",
            [
                "s3:GetObject on object",
                "NoSuchBucket",
                "create the object",
            ],
        ),
        (
            "s3://settings/large.toml",
            [
                "\"s3://settings/large.toml\": cannot be read",
                "longer than the 1048576 bytes",
                "settings",
            ],
        ),
        (
            "ssm:/headwater/none",
            [
                "ssm:GetParameter on parameter",
                "ParameterNotFound",
                "create the parameter",
            ],
        ),
        (
            "s3://settings",
            ["-c:", "is no object", "write s3://BUCKET/KEY"],
        ),
    ] {
        let refused = headwater(&folder, &moto.endpoint(), &["config", "-c", argument]).await?;
        says(&refused, 2, &words);
    }
    Ok(())
}

#[tokio::test]
async fn settings_need_a_region_and_credentials_and_say_so() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let launch = Launch::new(
        BINARY,
        folder.path(),
        &["config", "-c", "ssm:/headwater/orders"],
    )?;
    let refused = launch
        .clone()
        .without_env("AWS_REGION")
        .finish(WITHIN)
        .await?;
    says(
        &refused,
        2,
        &["no AWS region is set", "AWS_REGION in the environment"],
    );
    let launch = launch
        .without_env("AWS_ACCESS_KEY_ID")
        .without_env("AWS_SECRET_ACCESS_KEY");
    let refused = launch.finish(WITHIN).await?;
    says(
        &refused,
        2,
        &["no usable credentials", "give the process credentials"],
    );
    Ok(())
}

/// A service that gives this answer, whatever it is asked.
async fn answering(status: &'static str, body: &'static str) -> anyhow::Result<String> {
    scripted(move |_| Answer::of(status, body)).await
}

#[tokio::test]
async fn a_right_that_is_missing_and_a_bucket_elsewhere_are_named() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let denied = answering(
        "400 Bad Request",
        "{\"__type\":\"AccessDeniedException\",\"Message\":\"not authorized\"}",
    )
    .await?;
    let refused = headwater(&folder, &denied, &["config", "-c", "ssm:/orders"]).await?;
    let words = [
        "allow the action ssm:GetParameter on the parameter \"/orders\"",
        "kms:Decrypt",
    ];
    says(&refused, 2, &words);
    let denied = answering(
        "403 Forbidden",
        "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
    )
    .await?;
    let refused = headwater(&folder, &denied, &["config", "-c", "s3://bucket/key"]).await?;
    says(
        &refused,
        2,
        &["allow the action s3:GetObject on the object \"bucket/key\""],
    );
    let elsewhere = answering(
        "301 Moved Permanently\r\nx-amz-bucket-region: eu-west-3",
        "<Error><Code>PermanentRedirect</Code><Message>another endpoint</Message></Error>",
    )
    .await?;
    let refused = headwater(&folder, &elsewhere, &["config", "-c", "s3://bucket/key"]).await?;
    says(
        &refused,
        2,
        &["the bucket is in eu-west-3", "set AWS_REGION"],
    );
    Ok(())
}

#[tokio::test]
async fn trouble_that_passes_within_seconds_is_waited_for() -> anyhow::Result<()> {
    let (moto, folder) = (Moto::start().await?, tempfile::tempdir()?);
    moto.put_parameter("/headwater/orders", "[workers]\nthreads = 3\n")
        .await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let behind = moto.endpoint().replace("http://", "");
    let road = tokio::spawn(async move {
        // Hung up on, then let through.
        drop(listener.accept().await?);
        let (mut stream, _) = listener.accept().await?;
        let mut behind = TcpStream::connect(behind).await?;
        copy_bidirectional(&mut stream, &mut behind).await
    });
    let arguments = ["config", "-c", "ssm:/headwater/orders"];
    let printed = headwater(&folder, &endpoint, &arguments).await?;
    says(
        &printed,
        0,
        &["threads = 3 # \"ssm:/headwater/orders\" line 2"],
    );
    road.abort();
    Ok(())
}
