// Verifies a receipt of the consent ledger: go run . VKEY RECEIPT
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	head, checkpoint, _ := bytes.Cut(must(os.ReadFile(os.Args[2])), []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	extra := must(base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra ")))
	index := must(strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64))
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		proof = append(proof, must(tlog.ParseHash(line)))
	}

	verifier := must(note.NewVerifier(os.Args[1]))
	signed := must(note.Open(checkpoint, note.VerifierList(verifier)))
	text := strings.Split(signed.Text, "\n")
	size, root := must(strconv.ParseInt(text[1], 10, 64)), must(tlog.ParseHash(text[2]))

	mac := hmac.New(sha256.New, extra[:32])
	mac.Write(extra[32:])
	leaf := append([]byte{1}, mac.Sum(nil)...)
	if err := tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(leaf)); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\nrecord %d of %s, verified\n", extra[32:], index+1, text[0])
}
