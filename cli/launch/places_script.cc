#include "cli/launch/places_script.h"

#include "common/base/shell_words.h"

namespace devrun::launch {

namespace {

constexpr std::string_view kFunctions = R"bash(
__devrun_fail() { echo "devrun: $1. Try: $2" >&2; exit 125; }
__devrun_make() {
  [ -d "$1" ] || mkdir -p -- "$1" 2>/dev/null ||
    { sudo -n mkdir -p -- "$1" && sudo -n chown "$(id -u):$(id -g)" -- "$1"; } 2>/dev/null ||
    __devrun_fail "the folder $1 cannot be made" "a target below ~/ in file_mounts"
}
__devrun_need() {
  type -P "$1" >/dev/null ||
    __devrun_fail "$2 is fetched by $1, which is not in the volume" "devrun shell, and $3 there"
}
__devrun_aws() {
  local uri=$1 to=$2; shift 2
  __devrun_need aws "$uri" 'pip install awscli'
  if [ -n "$(aws "$@" s3 ls "${uri%/}/" 2>/dev/null)" ]; then
    __devrun_make "$to" && aws "$@" s3 sync --no-progress "$uri" "$to"
  else
    __devrun_make "${to%/*}" && aws "$@" s3 cp --no-progress "$uri" "$to"
  fi
}
__devrun_gsutil() {
  __devrun_need gsutil "$1" 'pip install gsutil'
  if gsutil -q stat "$1" 2>/dev/null; then
    __devrun_make "${2%/*}" && gsutil -q cp "$1" "$2"
  else
    __devrun_make "$2" && gsutil -q -m rsync -r "$1" "$2"
  fi
}
__devrun_http() {
  __devrun_make "${2%/*}"
  if type -P curl >/dev/null; then
    curl -fsSL --retry 3 -o "$2" -- "$1"
  elif type -P wget >/dev/null; then
    wget -q -O "$2" -- "$1"
  else
    __devrun_need curl "$1" 'apt-get install curl'
  fi
}
__devrun_get() {
  case $1 in
    s3://*) __devrun_aws "$1" "$2" ;;
    r2://*) __devrun_aws "s3://${1#r2://}" "$2" --endpoint-url "${R2_ENDPOINT_URL:-}" --profile r2 ;;
    nebius://*) __devrun_aws "s3://${1#nebius://}" "$2" --profile nebius ;;
    gs://*) __devrun_gsutil "$1" "$2" ;;
    http://*|https://*) __devrun_http "$1" "$2" ;;
    *) __devrun_fail "nothing here can fetch $1" "s3://, gs://, r2:// or https://" ;;
  esac >&2 || __devrun_fail "$1 could not be copied to $2" "the credentials that its tool needs, in secrets"
}
__devrun_get_once() {
  local mark=$2/.devrun-fetched lock=$2/.devrun-fetching
  until [ "$(cat "$mark" 2>/dev/null)" = "$1" ]; do
    if mkdir -- "$lock" 2>/dev/null; then
      trap "rmdir -- '$lock'" EXIT
      case $1 in
        http*) __devrun_get "$1" "$2/${1##*/}" ;;
        *) __devrun_get "$1" "$2" ;;
      esac
      printf '%s\n' "$1" > "$mark"
      rmdir -- "$lock"
      trap - EXIT
    else
      [ -d "$lock" ] || __devrun_fail "$2 cannot be written to" "ls -ld $2"
      sleep 1
    fi
  done
}
__devrun_fill() {
  if [ -d "$1" ]; then cp -a -u -- "$1/." "$2/"; else cp -a -u -- "$1" "$2/"; fi >&2 ||
    __devrun_fail "$1 could not be copied into $2" "ls -ld $2"
}
)bash";

constexpr std::string_view kEnd = R"bash(
unset -f __devrun_fail __devrun_make __devrun_need __devrun_aws __devrun_gsutil __devrun_http \
  __devrun_get __devrun_get_once __devrun_fill
)bash";

}  // namespace

std::string places_script(const std::vector<PlaceStep>& places) {
  if (places.empty()) return {};
  std::string out(kFunctions);
  for (const PlaceStep& place : places) {
    switch (place.kind) {
      case PlaceStep::Kind::kFetch:
        out += place.shared ? "__devrun_get_once " : "__devrun_get ";
        out += single_quoted(place.from) + " " + single_quoted(place.to) + "\n";
        break;
      case PlaceStep::Kind::kFill:
        out += "__devrun_fill " + single_quoted(place.from) + " " + single_quoted(place.to) + "\n";
        break;
      case PlaceStep::Kind::kFolder:
        out += "__devrun_make " + single_quoted(place.to) + "\n";
        break;
    }
  }
  return out + std::string(kEnd);
}

}  // namespace devrun::launch
