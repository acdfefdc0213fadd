// One page over HTTP/1.0, for a program that reads metrics: GET of its path answers the text, anything else 404. One request
// a connection, one connection at a time, each bounded in bytes and time. Not for the open network: no TLS, no users.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::controller {

class HttpText {
 public:
  // HOST:PORT with a numeric host; port 0: any. `page` is called on a thread of its own.
  static Result<std::unique_ptr<HttpText>> listen(const std::string& address, std::string path,
                                                  std::function<std::string()> page);
  ~HttpText();
  HttpText(const HttpText&) = delete;
  HttpText& operator=(const HttpText&) = delete;
  uint16_t port() const { return port_; }

 private:
  HttpText(UniqueFd listener, UniqueFd wake, uint16_t port, std::string path,
           std::function<std::string()> page);
  void serve();
  void answer(int connection) const;

  const UniqueFd listener_, wake_;
  const uint16_t port_;
  const std::string path_;
  const std::function<std::string()> page_;
  std::thread thread_;
};

}  // namespace devrun::controller
