//! `role_arn` and `endpoint_url`: the stream is written to under another role than the process has, at another place than
//! the environment says.

use headwater_harness::{faults::FaultProxy, moto::Moto, program::Launch};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    traffic::transactions,
    world::{WITHIN, World, ends_well, says},
};

const ROLE: &str = "arn:aws:iam::123456789012:role/cdc";

fn assuming(world: &World, proxy: &FaultProxy, sts: &str) -> anyhow::Result<Launch> {
    Ok(world
        .launch_to(&proxy.url())?
        .setting("sink.kinesis.role_arn", ROLE)
        .env("AWS_ENDPOINT_URL_STS", sts))
}

#[tokio::test]
async fn calls_are_signed_by_the_role_that_was_assumed() -> anyhow::Result<()> {
    let (world, sts) = tokio::try_join!(World::new(1), Moto::start())?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 1).await?;
    let program = assuming(&world, &proxy, &sts.endpoint())?.start()?;
    transactions(&world.mysql, 20).await?;
    ends_well(program, &world).await?;
    // What STS gives out begins so, unlike the keys of a user.
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    let signers = proxy.signers();
    assert!(!signers.is_empty());
    assert!(
        signers.iter().all(|key| key.starts_with("ASIA")),
        "{signers:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_halts() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 1).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let sts = format!("http://{}", listener.local_addr()?);
    let refusing = tokio::spawn(refuse(listener));
    let finished = assuming(&world, &proxy, &sts)?.finish(WITHIN).await?;
    refusing.abort();
    says(
        &finished,
        1,
        &[ROLE, "AccessDenied", "sts:AssumeRole", "trust policy"],
    );
    Ok(())
}

#[tokio::test]
async fn a_role_without_credentials_to_ask_for_it_halts() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 1).await?;
    let finished = assuming(&world, &proxy, "http://127.0.0.1:9")?
        .without_env("AWS_ACCESS_KEY_ID")
        .without_env("AWS_SECRET_ACCESS_KEY")
        .finish(WITHIN)
        .await?;
    says(
        &finished,
        1,
        &[
            "no usable credentials",
            ROLE,
            "give the process credentials",
        ],
    );
    Ok(())
}

/// Others of the process may go there: settings from S3, say.
#[tokio::test]
async fn an_endpoint_of_the_settings_wins_over_the_environments() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS"] {
        let check = world
            .launch()?
            .with_arguments(&["check", "-c", "headwater.toml"])
            .env(variable, "http://127.0.0.1:9");
        says(
            &check.finish(WITHIN).await?,
            0,
            &["ok   sink: ", "0 failed"],
        );
    }
    Ok(())
}

/// STS, when neither policy nor trust allows it.
async fn refuse(listener: TcpListener) -> std::io::Result<()> {
    const BODY: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
        <Message>User is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
    let answer = format!(
        "HTTP/1.1 403 Forbidden\r\ncontent-type: text/xml\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    loop {
        let (mut socket, _) = listener.accept().await?;
        let mut question = Vec::new();
        while !question.ends_with(b"RoleSessionName=headwater")
            && socket.read_buf(&mut question).await? > 0
        {}
        socket.write_all(answer.as_bytes()).await?;
        socket.shutdown().await?;
    }
}
