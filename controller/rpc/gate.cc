#include "controller/rpc/gate.h"

#include <fmt/format.h>

namespace devrun::controller {

Presented presented_by(const grpc::AuthContext& context) {
  Presented out;
  for (const grpc::string_ref& uri : context.FindPropertyValues("peer_uri")) {
    const std::string_view text(uri.data(), uri.size());
    if (!out.who) out.who = parse_certificate_uri(text);
    if (!out.issued) out.issued = parse_issued_uri(text);
  }
  return out;
}

Status Gate::admits(const Certified& who, std::optional<Time> issued) const {
  if (!accounts_.knows(who)) {
    return Error{Code::kDenied,
                 fmt::format("there is no {} '{}' in this cluster", role_name(who.role), who.name),
                 {}};
  }
  if (!enrolment_.admits(who, issued)) return revoked_error(who);
  return ok();
}

bool Gate::admits(const grpc::AuthContext& context) const {
  const Presented said = presented_by(context);
  return said.who && admits(*said.who, said.issued);
}

}  // namespace devrun::controller
