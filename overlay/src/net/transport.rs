//! The way of bytes between peers: in, a key and the features built in; out, one transport for all addresses.
//!
//! TCP with Noise and Yamux is always there. The features `quic`, `websocket`, `dns` and `reach` add theirs. An address that
//! needs one that is not built in fails like any other that can't be reached.

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, noise, tcp, yamux};

use crate::error::SpawnError;
use crate::limits::{CONNECT_TIMEOUT, YAMUX_STREAMS_MAX};

/// Connections that are encrypted, proven and carry many substreams.
pub(crate) type Connections = Boxed<(PeerId, StreamMuxerBox)>;

/// All transports that are built in, for the peer with this key.
///
/// # Errors
/// [`SpawnError::Transport`] for a key that Noise can't take.
pub(crate) fn transport(
    keypair: &Keypair,
    #[cfg(feature = "reach")] relay: libp2p::relay::client::Transport,
) -> Result<Connections, SpawnError> {
    let noise = noise::Config::new(keypair).map_err(|error| SpawnError::Transport(error.to_string()))?;
    let numbered = || {
        let transport = secured(tcp(), noise.clone());
        #[cfg(feature = "quic")]
        let transport = either(quic(keypair), transport);
        transport
    };
    let transport = with_names(numbered);
    // TCP would take the front of a WebSocket address for its own, so WebSocket is asked first.
    #[cfg(feature = "websocket")]
    let transport = either(secured(websocket(), noise.clone()), transport);
    // An address through a relay begins with the relay's own. Its circuits are encrypted once more, end to end.
    #[cfg(feature = "reach")]
    let transport = either(secured(relay, noise), transport);
    Ok(TransportTimeout::new(transport, CONNECT_TIMEOUT).boxed())
}

fn tcp() -> tcp::tokio::Transport {
    tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
}

/// Noise and Yamux over `bytes`.
fn secured<T>(bytes: T, noise: noise::Config) -> Connections
where
    T: Transport<Output: futures::AsyncRead + futures::AsyncWrite + Send + Unpin + 'static>
        + Send
        + Unpin
        + 'static,
    T::Error: Send + Sync,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
{
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(YAMUX_STREAMS_MAX);
    let upgraded = bytes.upgrade(Version::V1Lazy).authenticate(noise).multiplex(yamux);
    upgraded.map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection))).boxed()
}

/// What takes an address, `first` before `second`.
#[cfg(any(feature = "quic", feature = "websocket", feature = "reach"))]
fn either(first: Connections, second: Connections) -> Connections {
    first.or_transport(second).map(|connection, _| connection.into_inner()).boxed()
}

#[cfg(feature = "quic")]
fn quic(keypair: &Keypair) -> Connections {
    use libp2p::quic;

    let mut config = quic::Config::new(keypair);
    config.max_concurrent_stream_limit = crate::limits::SUBSTREAMS_PER_CONNECTION_MAX as u32;
    let transport = quic::tokio::Transport::new(config);
    transport.map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection))).boxed()
}

/// WebSocket: listening at `/ws`, dialing `/ws` and `/tls/ws`, the latter with the public certificate authorities.
#[cfg(feature = "websocket")]
fn websocket() -> Boxed<impl futures::AsyncRead + futures::AsyncWrite + Send + Unpin + 'static> {
    let mut transport = libp2p::websocket::Config::new(with_names(|| tcp().boxed()));
    transport.set_max_data_size(crate::limits::WEBSOCKET_MESSAGE_BYTES_MAX);
    transport.boxed()
}

/// `transport`, and what names of hosts stand for, as the system resolves them. A system without resolver
/// leaves the addresses that need none.
#[cfg(feature = "dns")]
fn with_names<O: 'static>(transport: impl Fn() -> Boxed<O>) -> Boxed<O> {
    match libp2p::dns::tokio::Transport::system(transport()) {
        Ok(names) => names.boxed(),
        Err(error) => {
            tracing::warn!(reason = %error, "host names in addresses can't be resolved");
            transport()
        }
    }
}

#[cfg(not(feature = "dns"))]
fn with_names<O>(transport: impl Fn() -> Boxed<O>) -> Boxed<O> {
    transport()
}
