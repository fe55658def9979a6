//! Passwords that others keep: secrets that are rotated under a running pipeline, and tokens of RDS's IAM
//! authentication.

use headwater_harness::{
    moto::Moto,
    mysql::{GRANTS, MySql},
    program::{Launch, Program, Stream},
    rds::Rds,
    wait::Deadline,
    wire::{Cut, Wire},
};

use crate::{
    traffic::Traffic,
    world::{WITHIN, World, delivered, delivered_so_far, ends_well, records_grow, says},
};

const SECRET: &str = "prod/db";

fn json(password: &str) -> String {
    format!("{{\"username\":\"rotated\",\"password\":\"{password}\",\"port\":3306}}")
}

/// A MySQL whose account's password is in a secret, and a network between it and the program.
struct Rotation {
    world: World,
    moto: Moto,
    wire: Wire,
}

impl Rotation {
    async fn new(secret: &str) -> anyhow::Result<Self> {
        let (world, moto) = tokio::try_join!(World::new(1), Moto::start())?;
        world
            .mysql
            .create_user("rotated", "old-one", GRANTS)
            .await?;
        moto.put_secret(SECRET, secret).await?;
        let wire = Wire::to(world.mysql.port(), 5).await?;
        Ok(Self { world, moto, wire })
    }

    fn launch(&self, secret: &str) -> anyhow::Result<Launch> {
        let url = format!("mysql://rotated@127.0.0.1:{}", self.wire.port());
        let launch = self.world.launch_over(&self.wire)?;
        Ok(launch
            .setting("source.url", &url)
            .setting("source.tls.mode", "required")
            .setting("source.password_secret", secret)
            .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &self.moto.endpoint())
            .env("AWS_ENDPOINT_URL_SSM", &self.moto.endpoint()))
    }
}

async fn changed(mysql: &MySql, password: &str) -> anyhow::Result<()> {
    let sql = format!("ALTER USER rotated@'%' IDENTIFIED BY '{password}'");
    mysql.exec(&sql).await
}

/// Nobody has seen a password in what the program said.
fn keeps_quiet(program: &Program) {
    let said = [Stream::Stdout, Stream::Stderr].map(|stream| program.lines(stream).join("\n"));
    for password in ["old-one", "new-one"] {
        assert!(!said.concat().contains(password), "{said:?}");
    }
}

#[tokio::test]
async fn a_secret_rotated_under_a_running_pipeline_loses_and_repeats_nothing() -> anyhow::Result<()>
{
    let rotation = Rotation::new(&json("old-one")).await?;
    let Rotation { world, moto, wire } = &rotation;
    let mut program = rotation.launch("prod/db:password::")?.start()?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(world, 3).await?;
    // The server knows the new password before the secret has it: what was right is refused for a while.
    changed(&world.mysql, "new-one").await?;
    wire.cut(Cut::Reset);
    program.wait_for_line("says 1045", WITHIN).await?;
    program
        .wait_for_line("it must hold the password of 'rotated'", WITHIN)
        .await?;
    moto.put_secret(SECRET, &json("new-one")).await?;
    records_grow(world, 3).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    keeps_quiet(&program);
    let verdict = ends_well(program, world).await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}

#[tokio::test]
async fn the_checkpoints_own_account_has_a_secret_that_is_rotated_too() -> anyhow::Result<()> {
    let rotation = Rotation::new(&json("old-one")).await?;
    let Rotation { world, moto, wire } = &rotation;
    let grants = "GRANT ALL ON headwater.* TO rotated@'%'";
    world.mysql.exec(grants).await?;
    moto.put_parameter("/db/password", "old-one").await?;
    let url = format!("mysql://rotated@127.0.0.1:{}", wire.port());
    let settings = |launch: Launch| {
        launch
            .setting("checkpoint.type", "mysql")
            .setting("checkpoint.mysql.url", &url)
            .setting("checkpoint.mysql.password_secret", "ssm:/db/password")
            .setting("source.tls.mode", "required")
            .env("AWS_ENDPOINT_URL_SSM", &moto.endpoint())
    };
    let check = Launch::new(
        crate::world::BINARY,
        world.folder(),
        &["check", "--create", "-c", "headwater.toml"],
    )?;
    let launch = settings(world.launch()?);
    let checked = settings(check).finish(WITHIN).await?;
    says(
        &checked,
        0,
        &["ok   checkpoint password: parameter \"/db/password\""],
    );
    let program = launch.start()?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(world, 3).await?;
    changed(&world.mysql, "new-one").await?;
    moto.put_parameter("/db/password", "new-one").await?;
    let accepted = wire.accepted();
    wire.cut(Cut::Reset);
    let deadline = Deadline::after(WITHIN, "the store to be reached again");
    while wire.accepted() == accepted {
        deadline.pause().await?;
    }
    records_grow(world, 3).await?;
    traffic.stop().await?;
    delivered_so_far(&program, &world.mysql).await?;
    keeps_quiet(&program);
    let finished = program.drain(WITHIN).await?;
    says(&finished, 0, &["drained"]);
    let tables = ["shop.orders", "shop.items", "shop.log"];
    let verdict = world.verdict_on(|facts| facts.of_tables(&tables)).await?;
    verdict.ensure_clean()
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_told_without_its_content() -> anyhow::Result<()> {
    let rotation = Rotation::new(&json("old-one")).await?;
    let check = |secret: &str| {
        let launch = rotation.launch(secret)?;
        anyhow::Ok(launch.with_arguments(&["check", "-c", "headwater.toml"]))
    };
    for (secret, words) in [
        (
            "prod/db",
            [
                "secret \"prod/db\" has no password that can be used",
                "it is a JSON object",
                "ARN:password::",
            ],
        ),
        (
            "prod/db:pw::",
            [
                "key \"pw\"",
                "its JSON has no key \"pw\"",
                "correct the key in the setting",
            ],
        ),
        (
            "prod/none",
            [
                "secretsmanager:GetSecretValue on secret \"prod/none\" failed",
                "ResourceNotFoundException",
                "create the secret",
            ],
        ),
        (
            "ssm:/db/none",
            [
                "ssm:GetParameter on parameter \"/db/none\" failed",
                "ParameterNotFound",
                "create the parameter",
            ],
        ),
    ] {
        let refused = check(secret)?.finish(WITHIN).await?;
        says(&refused, 1, &words);
        // Once: what needs it is not asked.
        let rest = [
            "FAIL source password",
            "skip source: needs its password",
            "skip checkpoint position: needs",
            " 1 failed,",
            " 2 skipped",
        ];
        says(&refused, 1, &rest);
        assert!(!refused.text().contains("old-one"), "{}", refused.text());
    }
    rotation.moto.put_secret(SECRET, "old-one").await?;
    let refused = check("prod/db:password::")?.finish(WITHIN).await?;
    says(
        &refused,
        1,
        &["it is no JSON object, so it has no key \"password\""],
    );
    assert!(!refused.text().contains("old-one"), "{}", refused.text());
    let passed = check("prod/db")?.finish(WITHIN).await?;
    says(&passed, 0, &["ok   source password: secret \"prod/db\""]);
    // Wrong from the first login on: nobody is changing it. Not even the finest log has it.
    rotation.moto.put_secret(SECRET, "wrong-one").await?;
    let launch = rotation.launch("prod/db")?.env("RUST_LOG", "trace");
    let halted = launch.finish(WITHIN).await?;
    says(
        &halted,
        1,
        &[
            "says 1045",
            "the secret \"prod/db\" is read again",
            "GetSecretValue",
        ],
    );
    assert!(!halted.text().contains("wrong-one"), "{}", halted.text());
    Ok(())
}

/// A MySQL that takes tokens only, and a network before it.
struct Iam {
    world: World,
    rds: Rds,
    wire: Wire,
}

impl Iam {
    async fn new() -> anyhow::Result<Self> {
        let world = World::new(1).await?;
        world.mysql.create_user("iam", "", GRANTS).await?;
        let rds = Rds::before(world.mysql.port(), "iam").await?;
        std::fs::write(world.folder().join("rds.pem"), rds.certificate_pem())?;
        let wire = Wire::to(rds.port(), 6).await?;
        Ok(Self { world, rds, wire })
    }

    fn launch(&self) -> anyhow::Result<Launch> {
        let url = format!("mysql://iam@127.0.0.1:{}", self.wire.port());
        let launch = self.world.launch_over(&self.wire)?;
        Ok(launch
            .setting("source.url", &url)
            .setting("source.auth", "rds_iam")
            .setting("source.aws.region", "eu-central-1")
            .setting("source.tls.mode", "verify_identity")
            .setting("source.tls.ca_file", "rds.pem"))
    }
}

#[tokio::test]
async fn each_connection_logs_in_with_a_token_of_its_own_in_clear_text_inside_tls()
-> anyhow::Result<()> {
    let iam = Iam::new().await?;
    let Iam { world, rds, wire } = &iam;
    let mut program = iam.launch()?.start()?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(world, 3).await?;
    let first = rds.tokens().len();
    assert!(1 < first, "questions and dump");
    // RDS refuses now and then what it has taken before.
    rds.refuse(true);
    wire.cut(Cut::Reset);
    program
        .wait_for_line("RDS refused the token", WITHIN)
        .await?;
    rds.refuse(false);
    records_grow(world, 3).await?;
    traffic.stop().await?;
    let verdict = ends_well(program, world).await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    let tokens = rds.tokens();
    assert!(first < tokens.len());
    let head = format!(
        "127.0.0.1:{}/?Action=connect&DBUser=iam&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test%2F",
        wire.port()
    );
    for token in &tokens {
        assert!(token.starts_with(&head), "{token}");
        assert!(
            token.contains("%2Feu-central-1%2Frds-db%2Faws4_request&"),
            "{token}"
        );
        assert!(
            token.contains("&X-Amz-Expires=900&X-Amz-SignedHeaders=host&"),
            "{token}"
        );
        let (_, signature) = token.split_once("&X-Amz-Signature=").unwrap_or_default();
        assert_eq!(signature.len(), 64, "{token}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_refused_cannot_be_signed_or_would_go_without_tls_is_told()
-> anyhow::Result<()> {
    let iam = Iam::new().await?;
    iam.rds.refuse(true);
    let launch = iam
        .launch()?
        .env("AWS_SESSION_TOKEN", "session-token")
        .env("RUST_LOG", "trace");
    let refused = launch.finish(WITHIN).await?;
    says(
        &refused,
        1,
        &[
            "says 1045",
            "RDS refused the token",
            "AWSAuthenticationPlugin",
            "rds-db:connect",
        ],
    );
    for secret in ["session-token", "X-Amz-Signature"] {
        assert!(!refused.text().contains(secret), "{}", refused.text());
    }
    assert!(
        iam.rds
            .tokens()
            .iter()
            .all(|token| token.contains("session-token"))
    );
    let check = iam
        .launch()?
        .with_arguments(&["check", "-c", "headwater.toml"]);
    let nowhere = check
        .clone()
        .setting("source.aws.region", "")
        .without_env("AWS_REGION")
        .finish(WITHIN)
        .await?;
    says(
        &nowhere,
        1,
        &[
            "FAIL source password: sign a token of RDS IAM",
            "no AWS region is set",
            "set source.aws.region",
        ],
    );
    let nobody = check
        .clone()
        .without_env("AWS_ACCESS_KEY_ID")
        .without_env("AWS_SECRET_ACCESS_KEY")
        .finish(WITHIN)
        .await?;
    says(
        &nobody,
        1,
        &["sign a token of RDS IAM", "no usable credentials"],
    );
    let plain = check
        .setting("source.tls.mode", "preferred")
        .setting("source.tls.ca_file", "")
        .finish(WITHIN)
        .await?;
    says(
        &plain,
        2,
        &[
            "source.auth",
            "allows a connection without TLS",
            "global-bundle.pem",
        ],
    );
    // An account with a password of its own is no account of IAM, and the other way round.
    iam.rds.refuse(false);
    let unmeant = iam
        .launch()?
        .setting("source.auth", "password")
        .setting("source.password", "old-one")
        .finish(WITHIN)
        .await?;
    says(
        &unmeant,
        1,
        &[
            "wants its password in clear text",
            "source.auth = \"rds_iam\"",
        ],
    );
    assert_eq!(
        iam.rds.tokens().len(),
        1,
        "no password went out in clear text"
    );
    Ok(())
}

#[tokio::test]
async fn a_pipeline_is_ready_while_its_tokens_are_refused_and_says_why_when_it_reads_nothing()
-> anyhow::Result<()> {
    let iam = Iam::new().await?;
    let program = iam.launch()?.start()?;
    let traffic = Traffic::start(&iam.world.mysql);
    records_grow(&iam.world, 3).await?;
    iam.rds.refuse(true);
    // What is open stays open: a token is needed at the login only.
    records_grow(&iam.world, 3).await?;
    iam.wire.cut(Cut::Close);
    let deadline = Deadline::after(WITHIN, "/readyz to say that the token is refused");
    while !program
        .page("/readyz")
        .await?
        .text()
        .contains("RDS refused the token")
    {
        deadline.pause().await?;
    }
    iam.rds.refuse(false);
    records_grow(&iam.world, 3).await?;
    traffic.stop().await?;
    ends_well(program, &iam.world).await.map(drop)
}
