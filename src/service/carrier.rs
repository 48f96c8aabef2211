//! The carriers of a connection's octets.

/// The carrier of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Carrier {
    /// Bare TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket over TCP (RFC 6455).
    Ws,
    /// WebSocket over TLS.
    Wss,
}

/// Whether the connection to a service is in TLS. A target has at most one port for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Bare TCP.
    Plain,
    /// TLS over TCP.
    Tls,
}

impl Carrier {
    /// All carriers.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// The name in logs and counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The transport below: plain or TLS.
    pub const fn transport(self) -> Transport {
        match self {
            Self::Tcp | Self::Ws => Transport::Plain,
            Self::Tls | Self::Wss => Transport::Tls,
        }
    }

    /// Whether it is in TLS.
    pub const fn is_tls(self) -> bool {
        self.transport().is_tls()
    }

    /// Whether it is a WebSocket.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

impl From<Transport> for Carrier {
    /// The carrier without a WebSocket.
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Plain => Self::Tcp,
            Transport::Tls => Self::Tls,
        }
    }
}

impl Transport {
    /// Both, plain first.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Tls];

    /// Whether it is TLS.
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Tls)
    }
}
