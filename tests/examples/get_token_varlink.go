// get_token_varlink CREDENTIAL: one request to the API, with the token that purserd gives through varlink's Go library.
// On Debian (golang-github-varlink-go-dev): GO111MODULE=off GOPATH=/usr/share/gocode go run get_token_varlink.go CREDENTIAL
package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/varlink/go/varlink"
)

type asked struct {
	Credential string `json:"credential"`
	Rejected   string `json:"rejected,omitempty"`
}

type bundle struct {
	AccessToken string                         `json:"access_token"`
	ApiUrl      string                         `json:"api_url"`
	Headers     []struct{ Name, Value string } `json:"headers"`
}

func ask(purser *varlink.Connection, what asked) (*http.Response, string) {
	var got bundle
	if err := purser.Call(context.Background(), "io.purser.Tokens.GetToken", what, &got); err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest("POST", got.ApiUrl, strings.NewReader(`{"query":"{ account { id name } }"}`))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for _, header := range got.Headers {
		request.Header.Set(header.Name, header.Value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	return response, got.AccessToken
}

func main() {
	path, set := os.LookupEnv("PURSER_SOCKET")
	if !set {
		path = "/run/purser/purser.sock"
	}
	purser, err := varlink.NewConnection(context.Background(), "unix:"+path)
	if err != nil {
		log.Fatal(err)
	}
	response, token := ask(purser, asked{Credential: os.Args[1]})
	if response.StatusCode == 401 {
		response, _ = ask(purser, asked{Credential: os.Args[1], Rejected: token})
	}
	io.Copy(os.Stdout, response.Body)
	if response.StatusCode != 200 {
		os.Exit(1)
	}
}
