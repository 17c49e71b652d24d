//! A PostgreSQL driver, unchanged, against a server that this program starts on a free port:
//! `cargo run --example tokio_postgres`.

use tokio_postgres::NoTls;
use vireodb::{Database, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let database = Database::open(Options {
        listen: vec!["127.0.0.1:0".parse()?],
        ..Options::default()
    })?;
    let address = database.addresses()[0];
    println!("listening at {address}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let url = format!(
        "host={} port={} user=postgres",
        address.ip(),
        address.port()
    );
    runtime.block_on(work(&url))?;
    database.close()?;
    Ok(())
}

async fn work(url: &str) -> Result<(), tokio_postgres::Error> {
    let (mut client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let driver = tokio::spawn(connection);
    client
        .batch_execute(
            "CREATE TABLE account (id integer PRIMARY KEY, owner text, balance bigint NOT NULL)",
        )
        .await?;
    let insert = client
        .prepare("INSERT INTO account VALUES ($1, $2, $3)")
        .await?;
    for (id, owner) in [(1, Some("Ada")), (2, Some("Edgar")), (3, None)] {
        client.execute(&insert, &[&id, &owner, &100i64]).await?;
    }

    let transfer = client.transaction().await?;
    let change = "UPDATE account SET balance = balance + $1 WHERE id = $2";
    transfer.execute(change, &[&-30i64, &1]).await?;
    transfer.execute(change, &[&30i64, &2]).await?;
    transfer.commit().await?;

    let sql = "SELECT id, owner, balance FROM account ORDER BY id";
    for row in client.query(sql, &[]).await? {
        let (id, owner, balance): (i32, Option<&str>, i64) = (row.get(0), row.get(1), row.get(2));
        println!("{id} {} {balance}", owner.unwrap_or("nobody"));
    }

    let error = client.execute(&insert, &[&1, &"again", &0i64]).await;
    if let Some(state) = error.as_ref().err().and_then(|error| error.code()) {
        println!("a second account 1: SQLSTATE {}", state.code());
    }
    drop(client);
    // The connection ends when its client is gone.
    drop(driver.await);
    Ok(())
}
