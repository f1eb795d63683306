#!/bin/sh
# on_event_chat.sh FILE: for on_event of purser.yaml(5): posts what happened to a chat's webhook (Slack, Mattermost, Rocket.Chat,
# Google Chat), whose address is the one line of FILE.
#
#     install -m 755 on_event_chat.sh /etc/purser/hooks/
#     on_event: [{command: [/etc/purser/hooks/on_event_chat.sh, /etc/purser/chat-webhook]}]
#
# Whoever knows the address may post there: keep the file readable for the group of purserd alone (root:purser, 0640). curl gets it
# through a pipe, since arguments can be read by everybody.
set -eu
{
        sed 's/.*/url = "&"/;q' "$1"
        jq -r '"data-binary = " + ({text: .text} | tojson | tojson)'
} | curl --fail --silent --show-error --max-time 20 --output /dev/null --header 'Content-Type: application/json' --config -
