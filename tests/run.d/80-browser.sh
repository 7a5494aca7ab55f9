#!/usr/bin/env bash
# The pages of the examples in real, headless browsers: Chromium and Firefox, and WebKitGTK where it is.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/need.sh"
need_rust
need_nginx
need_stores

if ! command -v chromedriver >/dev/null; then
    if grep -qs '^ID=ubuntu' /etc/os-release; then
        # Its packages only start a snap, which neither containers nor chromedriver can use.
        echo "\`chromedriver\` is missing, and Ubuntu has Chromium as a snap alone. Install Google Chrome" >&2
        echo "and the chromedriver of the same version: https://googlechromelabs.github.io/chrome-for-testing/" >&2
        exit 1
    fi
    need chromedriver chromium chromium-driver
fi
if ! command -v firefox >/dev/null && ! command -v firefox-esr >/dev/null; then
    if grep -qs '^ID=ubuntu' /etc/os-release; then
        echo "\`firefox\` is missing, and Ubuntu has it as a snap alone: https://packages.mozilla.org/apt" >&2
        exit 1
    fi
    need firefox-esr firefox-esr
fi
if ! command -v WebKitWebDriver >/dev/null || ! command -v Xvfb >/dev/null; then
    echo "NOT CHECKED: WebKitGTK, for which \`webkit2gtk-driver\` and \`xvfb\` have to be installed"
fi
# Without one the Chinese texts are boxes in the pictures.
need fc-list fontconfig
if [[ -z $(fc-list :lang=zh) ]]; then
    install_packages "no font for Chinese" fonts-noto-cjk
fi

if ! cargo test --workspace --all-features --test browser --test examples_browser; then
    echo "pictures of what the browser showed: tests/artifacts/" >&2
    exit 1
fi
