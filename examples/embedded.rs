//! A database in this process: `cargo run --example embedded [DIR]`. Without a directory it is a temporary one.

use vireodb::{Database, Error, Options};

fn main() -> Result<(), Error> {
    let options = match std::env::args_os().nth(1) {
        Some(directory) => Options::path(directory),
        None => Options::default(),
    };
    let database = Database::open(options)?;
    let mut session = database.connect()?;
    println!("functions: {}", database.boot_report());

    session.execute(
        "DROP TABLE IF EXISTS planets;
         CREATE TABLE planets (name text PRIMARY KEY, moons integer, radius_km numeric(8,1))",
    )?;
    let data = "Mercury\t0\t2439.7\nEarth\t1\t6371.0\nMars\t2\t3389.5\nPluto\t5\t\\N\n";
    let copied = session.copy_in("COPY planets FROM STDIN", data.as_bytes())?;
    println!("{copied} planets");

    // A transaction: all of it, or nothing.
    session.execute("BEGIN; DELETE FROM planets WHERE name = 'Pluto'; COMMIT")?;

    let rows = session.query("SELECT name, moons FROM planets ORDER BY radius_km DESC")?;
    for row in rows.iter() {
        let [name, moons] = row[..] else { continue };
        println!("{} has {} moons", name.unwrap_or("?"), moons.unwrap_or("?"));
    }

    // An error has an SQLSTATE; the session goes on.
    if let Err(error) = session.execute("INSERT INTO planets VALUES ('Earth', 2, 1)") {
        println!("{error}");
    }

    // So it does when a function dies: its replacement is there within milliseconds.
    database.kill_function("execute0")?;
    loop {
        match session.query("SELECT count(*) FROM planets") {
            Ok(rows) => {
                println!("{} planets after a kill", rows.get(0, 0).unwrap_or("?"));
                break;
            }
            Err(error) if error.is_transient() => println!("again: {error}"),
            Err(error) => return Err(error),
        }
    }
    session.close()?;
    database.close()
}
