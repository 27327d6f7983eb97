//! A file over a byte stream, with a progress bar.
//!
//! `cargo run -p overlay --example send_file` takes files into the folder where it was started, and prints its address;
//! `… -- ADDRESS FILE` sends one there.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use overlay::{Genesis, Peer, PipeId, PipeStream};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let peer = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse()?).spawn().await?;
    let group = peer.join(&Genesis::open("files"));
    let pipe = PipeId::derive(&group.id(), "in");
    match arguments.as_slice() {
        [] => {
            let mut listener = group.bind_stream(pipe)?;
            peer.addresses().iter().for_each(|address| println!("{address}"));
            while let Some(stream) = listener.accept().await {
                println!("{}", take(stream).await.unwrap_or_else(|error| format!("no file: {error}")));
            }
            Ok(())
        }
        [address, file] => {
            let to = peer.dial_address(address.parse()?, Duration::from_secs(20)).await?;
            send(group.connect_stream(to, pipe).await?, Path::new(file)).await
        }
        _ => Err("arguments: none to receive, or ADDRESS FILE to send".into()),
    }
}

async fn send(mut stream: PipeStream, path: &Path) -> Result<(), Box<dyn Error>> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("the file has no name")?;
    let file = File::open(path).await?;
    let progress = ProgressBar::new(file.metadata().await?.len());
    stream.write_all(format!("{name}\n").as_bytes()).await?;
    copy(&mut progress.wrap_async_read(file), &mut stream).await?;
    // Our end says that the file is whole; what comes back says that it is on the disk.
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    progress.finish();
    println!("{answer}");
    Ok(())
}

/// Takes a file in; the sender chooses its name, never its folder.
async fn take(stream: PipeStream) -> Result<String, Box<dyn Error>> {
    let (mut stream, mut name) = (BufReader::new(stream), String::new());
    (&mut stream).take(256).read_line(&mut name).await?;
    let name = Path::new(name.trim_end()).file_name().ok_or("the sender named no file")?.to_owned();
    let mut file = File::create_new(&name).await?;
    let bytes = copy(&mut stream, &mut file).await?;
    file.sync_all().await?;
    let taken = format!("{}: {bytes} bytes", name.display());
    stream.write_all(taken.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(taken)
}
