package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/cartrita/cartrita/alert"
)

// FuzzTexts finds out whether any notification makes messages that every service
// takes, in which nothing that was measured means anything to the service.
func FuzzTexts(f *testing.F) {
	for _, n := range samples() {
		a := &n.Alerts[len(n.Alerts)-1]
		f.Add(n.ID, n.Rule, string(n.Event), string(n.Type), string(n.Severity), a.Subject, a.Summary, a.Incident, a.Unit, a.Value, 3)
	}
	for _, s := range []string{"", "\x00\r\n.\r\nBcc: x@example\r\n", strings.Repeat("<!here> & ", 4000), strings.Repeat("\\*", 5000), "{{{DATE(1)}}}", "<script>alert(1)</script>", "\xff\xfe\u202e\u200b", strings.Repeat("\U0001f525", 2000)} {
		f.Add(s, s, s, s, s, s, s, s, s, -1e300, 40)
	}
	mailer, err := NewEmail(EmailConfig{Server: "smtp.example:25", From: "alerts@example.com", To: []string{"on@example.com"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id, rule, event, typ, severity, subject, summary, incident, unit string, value float64, count int) {
		n := &alert.Notification{ID: id, Event: alert.Event(event), Rule: rule, Type: alert.Type(typ), Severity: alert.Severity(severity), At: began}
		for range min(max(count, 1), 200) {
			n.Alerts = append(n.Alerts, alert.Alert{Incident: incident, Subject: subject, Summary: summary, Value: value, Operator: alert.Operator(unit), Threshold: value, Unit: unit, Since: began})
		}
		write := func(v any) []byte {
			doc, err := encode("fuzz", v)
			if err != nil || !json.Valid(doc) || !utf8.Valid(doc) {
				t.Fatalf("%v: %q", err, doc)
			}
			return doc
		}
		checkSlack(t, write(slackMessage(n)))
		checkDiscord(t, write(discordMessage(n)))
		checkTeams(t, write(teamsMessage(n)))
		events := (&pagerDuty{key: "key"}).events(n)
		for i := range events {
			checkPagerDuty(t, write(&events[i]))
		}
		for _, v := range environment(n) {
			if strings.ContainsAny(v, "\x00\n\r") {
				t.Errorf("a variable of the environment is %q", v)
			}
		}
		checkMail(t, mailer.(*email), n)
	})
}

// shown checks a text that a service shows, and its length.
func shown(t *testing.T, what, s string, least, most int) {
	t.Helper()
	if l := units(s); l < least || l > most {
		t.Errorf("%s has %d characters, want %d to %d: %q", what, l, least, most, s)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && unicode.IsControl(r) || r == '\u202e' }) {
		t.Errorf("%s has control characters: %q", what, s)
	}
}

var entity = regexp.MustCompile(`&(amp|lt|gt);`)

func checkSlack(t *testing.T, doc []byte) {
	var p slackPayload
	strictly(t, doc, &p)
	text := func(what string, s slackPlain, most int) {
		shown(t, what, s.Text, 1, most)
		if s.Type != "plain_text" || strings.ContainsAny(entity.ReplaceAllString(s.Text, ""), "<>&") {
			t.Errorf("%s means something to Slack: %q", what, s.Text)
		}
	}
	text("the fallback", slackPlain{"plain_text", p.Text, false}, 40_000)
	text("the header", *p.Blocks[0].Text, 150)
	blocks := p.Attachments[0].Blocks
	if len(blocks)+len(p.Blocks) > 50 {
		t.Errorf("%d blocks", len(blocks))
	}
	for _, b := range blocks {
		if b.Text != nil {
			text("a text", *b.Text, 3000)
		}
		if len(b.Fields) > 10 || len(b.Elements) > 10 {
			t.Errorf("%d fields, %d elements", len(b.Fields), len(b.Elements))
		}
		for _, s := range slices.Concat(b.Fields, b.Elements) {
			text("a field", s, 2000)
		}
	}
}

var escaped = regexp.MustCompile(`\\[[:punct:]]`)

func checkDiscord(t *testing.T, doc []byte) {
	var p discordPayload
	strictly(t, doc, &p)
	if p.AllowedMentions.Parse == nil || len(p.AllowedMentions.Parse) > 0 || len(p.Embeds) != 1 {
		t.Errorf("%s", doc)
	}
	e, all := p.Embeds[0], 0
	text := func(what, s string, most int) {
		all += units(s)
		shown(t, what, s, 1, most)
		if rest := escaped.ReplaceAllString(s, ""); strings.ContainsAny(rest, "\\*_~`|>#[]()<@:-") {
			t.Errorf("%s means something to Discord: %q", what, s)
		}
	}
	text("the title", e.Title, 256)
	for _, f := range e.Fields {
		text("a name", f.Name, 256)
		text("a value", f.Value, 1024)
	}
	shown(t, "the footer", e.Footer.Text, 1, 2048)
	if all += units(e.Footer.Text); all > 6000 || len(e.Fields) > 25 {
		t.Errorf("%d characters in %d fields", all, len(e.Fields))
	}
}

func checkTeams(t *testing.T, doc []byte) {
	var p teamsPayload
	strictly(t, doc, &p)
	if len(doc) > 28<<10 || bytes.Contains(doc, []byte("{{")) || bytes.Contains(doc, []byte("TextBlock\"")) && !bytes.Contains(doc, []byte("RichTextBlock\"")) {
		t.Errorf("%d bytes: %s", len(doc), doc)
	}
	for _, c := range p.Attachments[0].Content.Body {
		for _, b := range c.Items {
			if b.Type != "RichTextBlock" || b.Inlines[0].Type != "TextRun" {
				t.Errorf("%+v", b)
			}
			shown(t, "a run", b.Inlines[0].Text, 1, 1000)
			if strings.Contains(b.Inlines[0].Text, "{{") {
				t.Errorf("a run means something to Teams: %q", b.Inlines[0].Text)
			}
		}
	}
}

func checkPagerDuty(t *testing.T, doc []byte) {
	var e pagerEvent
	strictly(t, doc, &e)
	shown(t, "the key", e.DedupKey, 1, 255)
	if len(doc) > 512<<10 || (e.Action == "trigger") != (e.Payload != nil) {
		t.Errorf("%s", doc)
	}
	if p := e.Payload; p != nil {
		shown(t, "the summary", p.Summary, 1, 1024)
		shown(t, "the source", p.Source, 1, 1024)
		if !slices.Contains([]alert.Severity{"critical", "error", "warning", "info"}, p.Severity) {
			t.Errorf("the severity is %q", p.Severity)
		}
	}
}

var mailHeaders = []string{
	"Auto-Submitted", "Content-Type", "Date", "From", "Importance", "In-Reply-To", "Message-Id", "Mime-Version", "Priority", "References", "Subject", "To", "X-Msmail-Priority", "X-Priority",
}

var mailTags = []string{"html", "head", "meta", "title", "body", "h1", "p", "table", "tbody", "tr", "td"}

func checkMail(t *testing.T, e *email, n *alert.Notification) {
	m, err := e.message(n)
	if err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	if _, err := m.WriteTo(&raw); err != nil {
		t.Fatal(err)
	}
	for l := range strings.SplitSeq(raw.String(), "\r\n") {
		if len(l) > 998 || strings.ContainsAny(l, "\r\n\x00") {
			t.Fatalf("a line of %d bytes: %q", len(l), l)
		}
	}
	mail, err := netmail.ReadMessage(&raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range mail.Header {
		if !slices.Contains(mailHeaders, name) || len(values) != 1 {
			t.Errorf("the header %s: %q", name, values)
		}
	}
	if ids := strings.Fields(mail.Header.Get("References")); len(ids) > 20 {
		t.Errorf("it refers to %d mails", len(ids))
	}
	heading, err := (&mime.WordDecoder{}).DecodeHeader(mail.Header.Get("Subject"))
	if err != nil || heading != title(n) {
		t.Errorf("%v: the subject is %q, want %q", err, heading, title(n))
	}
	_, params, err := mime.ParseMediaType(mail.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for parts := multipart.NewReader(mail.Body, params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil || !utf8.Valid(body) {
			t.Fatalf("%v: %q", err, body)
		}
		types = append(types, part.Header.Get("Content-Type"))
		if strings.HasPrefix(types[len(types)-1], "text/html") {
			checkHTML(t, body)
		}
	}
	if len(types) != 2 {
		t.Errorf("parts %v", types)
	}
}

func checkHTML(t *testing.T, doc []byte) {
	for z := html.NewTokenizer(bytes.NewReader(doc)); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			return
		}
		if token := z.Token(); (kind == html.StartTagToken || kind == html.EndTagToken || kind == html.SelfClosingTagToken) && !slices.Contains(mailTags, token.Data) || kind == html.CommentToken {
			t.Errorf("the mail has %s", token)
		}
	}
}
