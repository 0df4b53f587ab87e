package api_test

import (
	"testing"

	"github.com/signalbox-io/signalbox/api"
)

func TestDocumentIsValid(t *testing.T) {
	doc, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	if doc.Paths.Len() == 0 {
		t.Error("the document has no paths")
	}
}
