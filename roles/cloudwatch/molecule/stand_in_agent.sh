#!/bin/sh
# Makes a Debian package that stands for Amazon's agent: its user, its unit, its folder.
# The agent itself is not ours to ship, and a test has no way to Amazon's bucket.
set -eu

target=$1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
install -d "$tree/DEBIAN" "$tree/lib/systemd/system" "$tree/opt/aws/amazon-cloudwatch-agent/bin" \
    "$tree/opt/aws/amazon-cloudwatch-agent/etc"
cat >"$tree/DEBIAN/control" <<END
Package: amazon-cloudwatch-agent
Version: 1.300072.0b1766-1
Architecture: all
Maintainer: Aistratus
Description: stands for Amazon's agent in tests
END
cat >"$tree/DEBIAN/postinst" <<END
#!/bin/sh
getent passwd cwagent >/dev/null || useradd --system --user-group --shell /usr/sbin/nologin cwagent
END
chmod 0755 "$tree/DEBIAN/postinst"
cat >"$tree/opt/aws/amazon-cloudwatch-agent/bin/agent" <<END
#!/bin/sh
exec tail --follow=name --retry /var/log/aistratus/services.jsonl
END
chmod 0755 "$tree/opt/aws/amazon-cloudwatch-agent/bin/agent"
cat >"$tree/lib/systemd/system/amazon-cloudwatch-agent.service" <<END
[Unit]
Description=Stands for Amazon's agent
[Service]
ExecStart=/opt/aws/amazon-cloudwatch-agent/bin/agent
User=cwagent
[Install]
WantedBy=multi-user.target
END
dpkg-deb --root-owner-group --build "$tree" "$target" >/dev/null
