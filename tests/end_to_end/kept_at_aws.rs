//! Settings that AWS keeps: an object of S3, a parameter of SSM, and what is said where they cannot be had.

use bytes::Bytes;
use headwater_harness::{
    moto::Moto,
    program::{Finished, Launch},
};
use tempfile::TempDir;

use crate::world::{BINARY, WITHIN, says};

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
