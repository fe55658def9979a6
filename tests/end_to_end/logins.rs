//! How the program comes into a server: a password that changes, accounts that want more than a password.

use headwater_harness::{
    mysql::{GRANTS, MySql, PASSWORD, USER},
    program::{Finished, Launch},
    wire::{Cut, Wire},
};

use crate::{
    traffic::transactions,
    world::{BINARY, WITHIN, World, delivered, ends_well, says},
};

#[tokio::test]
async fn a_password_that_is_rotated_in_its_file_counts_from_the_next_connection_on()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let wire = Wire::to(world.mysql.port(), 41).await?;
    let file = world.folder().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n"))?;
    let mut program = world
        .launch_over(&wire)?
        .setting(
            "source.url",
            &format!("mysql://{USER}@127.0.0.1:{}", wire.port()),
        )
        .setting("source.password_file", &file.display().to_string())
        .start()?;
    program.wait_ready(WITHIN).await?;
    transactions(&world.mysql, 3).await?;
    delivered(&program, &world.mysql).await?;
    let rotated = format!("ALTER USER {USER}@'%' IDENTIFIED BY 'rotated-once'");
    world.mysql.exec(&rotated).await?;
    std::fs::write(&file, "rotated-once\n")?;
    wire.cut(Cut::Reset);
    transactions(&world.mysql, 3).await?;
    ends_well(program, &world).await.map(drop)
}

/// `check` of a server that reads nothing.
async fn check(server: &MySql, user: &str, sets: &[(&str, String)]) -> anyhow::Result<Finished> {
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("headwater.toml"),
        "[sink]\ntype = \"null\"\n",
    )?;
    let mut launch = Launch::new(BINARY, folder.path(), &["check", "-c", "headwater.toml"])?
        .setting("source.url", &server.url(user, PASSWORD));
    for (key, value) in sets {
        launch = launch.setting(key, value);
    }
    launch.finish(WITHIN).await
}

#[tokio::test]
async fn an_account_that_wants_a_certificate_is_read_with_one_and_check_says_what_lacks()
-> anyhow::Result<()> {
    let server = MySql::start().await?;
    server.create_user("certified", PASSWORD, GRANTS).await?;
    server.create_user("secure", PASSWORD, GRANTS).await?;
    server
        .exec("ALTER USER certified@'%' REQUIRE X509; ALTER USER secure@'%' REQUIRE SSL")
        .await?;
    let path = |name: &str| server.datadir().join(name).display().to_string();
    let disabled = ("source.tls.mode", "disabled".to_owned());
    let taken = ("source.tls.allow_public_key_retrieval", "true".to_owned());
    let lacks_tls = check(&server, "secure", &[disabled, taken]).await?;
    says(&lacks_tls, 1, &["1045", "had no TLS", "REQUIRE SSL"]);
    says(&check(&server, "secure", &[]).await?, 0, &["tls"]);
    let lacks_certificate = check(&server, "certified", &[]).await?;
    says(&lacks_certificate, 1, &["1045", "source.tls.cert_file"]);
    // The server made them for its clients.
    let cert = ("source.tls.cert_file", path("client-cert.pem"));
    let key = ("source.tls.key_file", path("client-key.pem"));
    let both = [cert.clone(), key];
    says(&check(&server, "certified", &both).await?, 0, &["tls"]);
    let alone = check(&server, "certified", std::slice::from_ref(&cert)).await?;
    says(&alone, 2, &["source.tls.key_file"]);
    let missing = ("source.tls.key_file", path("no-such.pem"));
    let unreadable = check(&server, "certified", &[cert, missing]).await?;
    says(&unreadable, 1, &["no-such.pem", "key_file"]);
    Ok(())
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_refused_in_the_servers_words() -> anyhow::Result<()> {
    let server = MySql::start().await?;
    for user in ["nobody", "nemo"] {
        let refused = check(&server, user, &[]).await?;
        says(&refused, 1, &["1045", &format!("check the user '{user}'")]);
    }
    Ok(())
}
