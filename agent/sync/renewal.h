// Keeps a node's certificate from ending. In the last quarter of its life it makes a new key, has the controller certify that
// (proto/devrun/v1/enrolment.proto, Renew), and puts both into the file at once. Connections that stand need no new
// certificate; who dials the next ones has to read the file again, and is told to.
//
// Only where key and certificate are one file: of a cluster on one machine they are not, and are good for ten years.
#pragma once

#include <functional>
#include <string>

#include "agent/sync/loop.h"
#include "common/base/result.h"

namespace devrun::agent {

class Renewal {
 public:
  // `renewed` is called once, from a thread of its own.
  Renewal(std::string controller, std::string authority_file, std::string identity_file,
          std::function<void()> renewed);
  ~Renewal() { loop_.stop(); }

 private:
  void look();
  Status renew();

  const std::string controller_;
  const std::string authority_file_;
  const std::string identity_file_;
  const std::function<void()> renewed_;
  Loop loop_;
};

}  // namespace devrun::agent
