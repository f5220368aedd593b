package notify

import (
	"strconv"
	"strings"

	"github.com/cartrita/cartrita/alert"
)

// NewDiscord makes a channel to a webhook of Discord. Errors: KindInvalid.
func NewDiscord(c HTTPConfig) (alert.Channel, error) {
	return newChat("notify.Discord", c, discordMessage)
}

// The limits of an embed: of a title 256 characters, of a field's name 256, of
// its value 1024, of a footer 2048; 25 fields; and 6000 characters in all, of
// which ten fields may have these.
const (
	discordTitle  = 256
	discordName   = 120
	discordValue  = 420
	discordFooter = 200
)

type discordPayload struct {
	Username        string         `json:"username"`
	AllowedMentions discordNobody  `json:"allowed_mentions"`
	Embeds          []discordEmbed `json:"embeds"`
}

// discordNobody lets no text mention anybody.
type discordNobody struct {
	Parse []string `json:"parse"`
}

type discordEmbed struct {
	Title     string         `json:"title"`
	Color     int64          `json:"color"`
	Timestamp string         `json:"timestamp"`
	Fields    []discordField `json:"fields"`
	Footer    discordText    `json:"footer"`
}

type discordField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type discordText struct {
	Text string `json:"text"`
}

func discordMessage(n *alert.Notification) any {
	m := words(n, mostShown)
	color, _ := strconv.ParseInt(toneOf(n).colour, 16, 64) // ours
	e := discordEmbed{Title: fit(m.Title, discordTitle, discordEscape), Color: color, Timestamp: stamp(n.At), Fields: []discordField{}}
	for _, it := range m.Items {
		known := make([]string, 0, len(it.Facts))
		for _, f := range it.Facts {
			known = append(known, f.Name+" "+f.Value)
		}
		rest := fit(strings.Join(known, " · "), discordValue/2, discordEscape)
		summary := fit(it.Summary, discordValue-1-units(rest), discordEscape)
		e.Fields = append(e.Fields, discordField{fit(it.Name, discordName, discordEscape), summary + "\n" + rest})
	}
	footer := m.Footer // where no markup is read
	if m.More != "" {
		footer = m.More + " · " + footer
	}
	e.Footer.Text = fit(footer, discordFooter, nil)
	return &discordPayload{"Cartrita", discordNobody{[]string{}}, []discordEmbed{e}}
}

// discordEscape takes the meaning from every character that Markdown, links,
// mentions or emoji begin with.
func discordEscape(r rune) string {
	if strings.ContainsRune("\\*_~`|>#-[]()<@:", r) {
		return `\` + string(r)
	}
	return string(r)
}
