package notify

import (
	"strings"

	"github.com/cartrita/cartrita/alert"
)

// NewTeams makes a channel to a webhook of a Microsoft Teams workflow ("Post to
// a channel when a webhook request is received"), which takes a message with an
// Adaptive Card of at most 28 KiB. Errors: KindInvalid.
func NewTeams(c HTTPConfig) (alert.Channel, error) { return newChat("notify.Teams", c, teamsMessage) }

type teamsPayload struct {
	Type        string            `json:"type"`
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string    `json:"contentType"`
	ContentURL  *string   `json:"contentUrl"` // null
	Content     teamsCard `json:"content"`
}

type teamsCard struct {
	Schema  string            `json:"$schema"`
	Type    string            `json:"type"`
	Version string            `json:"version"`
	Body    []teamsContainer  `json:"body"`
	Teams   map[string]string `json:"msteams"`
}

type teamsContainer struct {
	Type  string       `json:"type"`
	Style string       `json:"style,omitempty"`
	Bleed bool         `json:"bleed,omitempty"`
	Items []teamsBlock `json:"items"`
}

// teamsBlock is a RichTextBlock: unlike a TextBlock or a FactSet it reads no
// Markdown.
type teamsBlock struct {
	Type    string     `json:"type"`
	Inlines []teamsRun `json:"inlines"`
}

type teamsRun struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Size   string `json:"size,omitempty"`
	Weight string `json:"weight,omitempty"`
	Subtle bool   `json:"isSubtle,omitempty"`
}

func teamsMessage(n *alert.Notification) any {
	m := words(n, mostShown)
	body := []teamsContainer{{Type: "Container", Style: toneOf(n).card, Bleed: true, Items: []teamsBlock{teamsLine(teamsRun{Text: m.Title, Size: "Large", Weight: "Bolder"})}}}
	for _, it := range m.Items {
		c := teamsContainer{Type: "Container", Items: []teamsBlock{teamsLine(teamsRun{Text: it.Summary})}}
		var known []string
		for _, f := range it.Facts {
			known = append(known, f.Name+": "+f.Value)
		}
		c.Items = append(c.Items, teamsLine(teamsRun{Text: strings.Join(known, " · "), Size: "Small", Subtle: true}))
		body = append(body, c)
	}
	end := m.Footer
	if m.More != "" {
		end = m.More + " · " + end
	}
	body = append(body, teamsContainer{Type: "Container", Items: []teamsBlock{teamsLine(teamsRun{Text: end, Size: "Small", Subtle: true})}})
	return &teamsPayload{"message", []teamsAttachment{{
		ContentType: "application/vnd.microsoft.card.adaptive",
		Content:     teamsCard{"http://adaptivecards.io/schemas/adaptive-card.json", "AdaptiveCard", "1.4", body, map[string]string{"width": "Full"}},
	}}}
}

// teamsLine is a line of one run. Cards replace {{DATE(…)}} and {{TIME(…)}} in any
// text, so no two braces stand together.
func teamsLine(r teamsRun) teamsBlock {
	r.Type, r.Text = "TextRun", strings.ReplaceAll(r.Text, "{", "{\u200b")
	return teamsBlock{"RichTextBlock", []teamsRun{r}}
}
