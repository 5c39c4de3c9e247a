#!/bin/sh
# Session Manager's agent, for a base that has none: Debian's. Ubuntu's brings it as a snap.
# It comes from the region's own bucket, which an S3 endpoint reaches without the internet.
set -eu

if [ -e /snap/bin/amazon-ssm-agent.ssm-cli ] || systemctl -q is-active amazon-ssm-agent; then
    exit 0
fi
imds=http://169.254.169.254/latest
if [ "$(dpkg --print-architecture)" = arm64 ]; then flavour=debian_arm64; else flavour=debian_amd64; fi
token=$(curl -fsS -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" "$imds/api/token")
region=$(curl -fsS -H "X-aws-ec2-metadata-token: $token" "$imds/meta-data/placement/region")
bucket="https://s3.$region.amazonaws.com/amazon-ssm-$region"
package=$(mktemp --suffix=.deb)
curl -fsSo "$package" "$bucket/latest/$flavour/amazon-ssm-agent.deb"
dpkg -i "$package"
rm -f "$package"
systemctl enable --now amazon-ssm-agent
