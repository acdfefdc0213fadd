// Setup steps that are run once, as they stand in the journal and on the wire.
#include "common/wire/job.h"

namespace devrun::wire {

namespace {

Result<Digest> digest_if_any(std::string_view raw) {
  if (raw.empty()) return Digest{};
  const auto out = Digest::from_bytes(raw);
  if (!out) return Error{Code::kInvalid, "a setup step's name is malformed: expected 32 bytes", {}};
  return *out;
}

std::string bytes_if_any(const Digest& in) {
  return in.is_zero() ? std::string() : std::string(in.view());
}

}  // namespace

pb::SetupOnce to_proto(const SetupOnce& in) {
  pb::SetupOnce out;
  out.set_key(bytes_if_any(in.key));
  out.set_family(bytes_if_any(in.family));
  out.set_fresh(in.fresh);
  return out;
}

Result<SetupOnce> from_proto(const pb::SetupOnce& in) {
  return SetupOnce{TRY(digest_if_any(in.key())), TRY(digest_if_any(in.family())), in.fresh()};
}

pb::SetupRun to_proto(const SetupRun& in) {
  pb::SetupRun out;
  out.set_job(in.job);
  *out.mutable_which() = to_proto(in.which);
  out.set_plain(bytes_if_any(in.plain));
  out.set_ranks(in.ranks);
  out.set_from(in.from);
  return out;
}

Result<SetupRun> from_proto(const pb::SetupRun& in) {
  return SetupRun{in.job(), TRY(from_proto(in.which())), TRY(digest_if_any(in.plain())), in.ranks(),
                  in.from()};
}

pb::SetupUse to_proto(const SetupUse& in) {
  pb::SetupUse out;
  out.set_how(static_cast<pb::SetupHow>(in.how));
  out.set_run(in.run);
  out.set_plain(bytes_if_any(in.plain));
  out.set_why(in.why);
  out.set_waits(in.waits);
  return out;
}

Result<SetupUse> from_proto(const pb::SetupUse& in) {
  if (in.how() < pb::SETUP_HIT || in.how() > pb::SETUP_COLD) {
    return Error{Code::kInvalid, "setup.how is malformed: expected hit, near or cold", {}};
  }
  return SetupUse{static_cast<SetupHow>(in.how()), in.run(), TRY(digest_if_any(in.plain())),
                  in.why(), in.waits()};
}

}  // namespace devrun::wire
