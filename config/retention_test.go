package config

import "testing"

// Calls are lost only where somebody says so.
func TestRetention(t *testing.T) {
	checkFiles(t, map[string]string{
		"retention: {calls: 90d, archive: /a}":              "",
		"retention: {calls: 1d, drop: true}":                "",
		"retention: {archive: /a}":                          "", // for cartrita db archive
		"retention: {calls: 90d}":                           "retention.archive: is missing",
		"retention: {calls: 23h, archive: /a}":              "retention.calls: 23h: want 1d or more",
		"retention: {calls: 2d, archive: /a, drop: true}":   "retention.drop: calls go to the archive or are lost",
		"store: memory\nretention: {calls: 2d, drop: yes}":  "retention.drop",
		"store: memory\nretention: {calls: 2d, drop: true}": "retention.calls: the store memory keeps the latest calls only",
	})
}
