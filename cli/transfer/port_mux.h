// Many TCP connections through one pair of byte streams (`devrun port-forward`): one side listens here, the other, in the
// job's container, connects. One thread, one poll loop, the same code on both sides.
//
// Frames: u8 kind, u32 connection, u32 length, bytes; little-endian.
//   OPEN    to the side that connects; bytes: the port, u16      DATA    at most kFrameBytesMax
//   CREDIT  u32: so many bytes more may be sent                  END     no more DATA of this side (half-close)
//   RESET   the connection is over, at once; with an i32, an errno: it never was made
// Each side may send kWindowBytes of DATA a connection beyond what the other has passed on, so that a connection that
// nobody reads holds up itself alone. A connection is forgotten when both sides have said END, or one RESET.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::cli {

inline constexpr uint32_t kWindowBytes = 256 << 10;
inline constexpr uint32_t kFrameBytesMax = 32 << 10;
inline constexpr size_t kConnectionsMax = 1000;
inline constexpr size_t kLinkBytesMax = 1
                                        << 20;  // that wait for the link; then sockets are not read

struct ForwardedPort {
  UniqueFd listener;
  uint16_t remote = 0;
};

class PortMux {
 public:
  // The link's two ends: of pipes, say. `ports` is empty on the side that connects.
  // `refused` is told once of each remote port that could not be connected to, with the errno; by run()'s thread.
  using Refused = std::function<void(uint16_t port, int error)>;
  PortMux(int in, int out, std::vector<ForwardedPort> ports, Refused refused = {});
  // Until the link ends. kCorrupt for frames that cannot be.
  Status run();

 private:
  struct Connection {
    UniqueFd socket;
    uint16_t remote = 0;  // on the side that listens
    bool connecting = false;
    std::string to_socket;  // at most kWindowBytes
    uint32_t may_send = kWindowBytes;
    uint32_t passed_on = 0;   // to the socket, and not credited yet
    bool peer_ended = false;  // END has come
    bool shut = false;        // and has been passed on
    bool ended = false;       // END has been sent
  };
  using Connections = std::map<uint32_t, Connection>;

  Status poll_once();
  void accept_on(ForwardedPort& port);
  void connect_to(uint32_t id, uint16_t port);
  Status read_link();
  Status write_link();
  Status take_frames();
  Status take(uint8_t kind, uint32_t id, std::string_view bytes);
  void read_socket(uint32_t id, Connection& connection);
  void write_socket(uint32_t id, Connection& connection);
  void connected(uint32_t id, Connection& connection);
  void frame(uint8_t kind, uint32_t id, std::string_view bytes);
  void reset(uint32_t id, std::string_view why = {});
  void refuse(uint32_t id, int32_t error);
  void take_refusal(const Connection& connection, std::string_view why);
  void forget_if_over(uint32_t id);
  bool wants_to_read(const Connection& connection) const;

  const int in_;
  const int out_;
  std::vector<ForwardedPort> ports_;
  const Refused refused_;
  std::set<uint16_t> told_refused_;
  Connections connections_;
  uint32_t next_id_ = 1;
  std::string from_link_;
  std::string to_link_;
  size_t to_link_used_ = 0;
  bool link_over_ = false;
};

// Listens on 127.0.0.1. kExists if the port is taken. 0: any.
Result<UniqueFd> listen_on_loopback(uint16_t port);
uint16_t port_of(int listener);

}  // namespace devrun::cli
