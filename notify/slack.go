package notify

import (
	"strings"

	"github.com/cartrita/cartrita/alert"
)

// NewSlack makes a channel to an incoming webhook of Slack, or of what takes the
// same. Errors: KindInvalid.
func NewSlack(c HTTPConfig) (alert.Channel, error) { return newChat("notify.Slack", c, slackMessage) }

// The limits of Slack's messages that matter here: of a header 150 characters, of
// a text object 3000, of a field 2000, and 50 blocks. They are taken to count
// what is written, entities and all.
const (
	slackHeader  = 150
	slackText    = 3000
	slackSection = 1000
	slackField   = 200
)

type slackPayload struct {
	Text        string            `json:"text"` // for what shows no blocks, such as a notification of the system
	Markdown    bool              `json:"mrkdwn"`
	UnfurlLinks bool              `json:"unfurl_links"`
	UnfurlMedia bool              `json:"unfurl_media"`
	Blocks      []slackBlock      `json:"blocks"`
	Attachments []slackAttachment `json:"attachments"`
}

type slackAttachment struct {
	Color  string       `json:"color"`
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type     string       `json:"type"`
	Text     *slackPlain  `json:"text,omitempty"`
	Fields   []slackPlain `json:"fields,omitempty"`
	Elements []slackPlain `json:"elements,omitempty"`
}

// slackPlain is text in which neither markup nor emoji names mean anything.
type slackPlain struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Emoji bool   `json:"emoji"`
}

func slackMessage(n *alert.Notification) any {
	m := words(n, mostShown)
	heading, fallback := slackWords(m.Title, slackHeader), []string{m.Title}
	blocks := []slackBlock{}
	for _, it := range m.Items {
		text := slackWords(it.Summary, slackSection)
		b := slackBlock{Type: "section", Text: &text}
		for _, f := range it.Facts {
			b.Fields = append(b.Fields, slackWords(f.Name+"\n"+f.Value, slackField))
		}
		blocks = append(blocks, b)
		fallback = append(fallback, it.Summary)
	}
	last := []slackPlain{slackWords(m.Footer, slackField)}
	if m.More != "" {
		fallback = append(fallback, m.More)
		last = append([]slackPlain{slackWords(m.More, slackField)}, last...)
	}
	return &slackPayload{
		Text:        fit(strings.Join(fallback, "\n"), slackText, slackEscape),
		Blocks:      []slackBlock{{Type: "header", Text: &heading}},
		Attachments: []slackAttachment{{"#" + toneOf(n).colour, append(blocks, slackBlock{Type: "context", Elements: last})}},
	}
}

func slackWords(s string, most int) slackPlain {
	return slackPlain{Type: "plain_text", Text: fit(s, most, slackEscape)}
}

// slackEscape writes the three characters that mean something in any text of
// Slack: without them there is no mention, no link and no entity.
func slackEscape(r rune) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	}
	return string(r)
}
