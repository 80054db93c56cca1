use super::*;

/// `text` is compared as JSON.
#[track_caller]
fn check(feed: &str, expected: &str) {
    let data = decode(feed.as_bytes()).expect(feed);
    assert_eq!(data, Json::parse(expected.as_bytes()).expect(expected), "{data}");
}

/// What the first item of a feed becomes.
#[track_caller]
fn check_item(feed: &str, expected: &str) {
    let data = decode(feed.as_bytes()).expect(feed);
    let Some(crate::json::View::Array(mut items)) = data.get("items").map(crate::json::JsonRef::view) else {
        panic!("no items: {data}")
    };
    let item = items.next().expect("an item").to_json();
    assert_eq!(item, Json::parse(expected.as_bytes()).expect(expected), "{item}");
}

fn rss(channel: &str) -> String {
    format!("<?xml version=\"1.0\"?><rss version=\"2.0\"><channel>{channel}</channel></rss>")
}

#[test]
fn an_rss_feed_has_its_fields_whether_or_not_they_are_given() {
    check(
        &rss(
            "<title>T</title><link>http://l</link><lastBuildDate>now</lastBuildDate><managingEditor>e@x.com (Ed)</managingEditor>\
              <category>a</category><image><url>http://i</url></image>",
        ),
        r#"{"items":[],"author":{"name":"Ed","email":"e@x.com"},"categories":["a"],"custom":null,"copyright":"",
            "description":"","type":"rss","language":"","title":"T","published":"","updated":"now","img_url":"http://i"}"#,
    );
    check(
        &rss(""),
        r#"{"items":[],"author":null,"categories":null,"custom":null,"copyright":"","description":"","type":"rss",
            "language":"","title":"","published":"","updated":""}"#,
    );
}

#[test]
fn an_rss_item_has_what_is_given() {
    check_item(
        &rss("<item><title>One</title><link>http://1</link><guid>g1</guid>\
              <pubDate>Mon, 06 Sep 2021 10:00:00 GMT</pubDate><category>tech</category>\
              <description><![CDATA[<p>a &amp; b</p>]]></description><content:encoded>c &lt;b&gt; &nbsp; d & e</content:encoded>\
              <enclosure url='http://e' length='7' type='audio/mpeg'/><author>Ann</author><mood>fine</mood></item>"),
        r#"{"title":"One","link":"http://1","links":["http://1"],"guid":"g1","published":"Mon, 06 Sep 2021 10:00:00 GMT",
            "publishedParsed":"2021-09-06T10:00:00Z","categories":["tech"],"description":"<p>a &amp; b</p>",
            "content":"c <b> &nbsp; d & e","enclosures":[{"url":"http://e","length":"7","type":"audio/mpeg"}],
            "author":{"name":"Ann"},"authors":[{"name":"Ann"}],"custom":{"mood":"fine"}}"#,
    );
    check_item(&rss("<item/>"), "{}");
}

#[test]
fn extensions_are_there_as_they_are_and_fill_what_is_missing() {
    check_item(
        &rss("<item><dc:title>D</dc:title><dc:creator>Ann</dc:creator><dc:date>2021-09-06</dc:date>\
              <itunes:image href='http://i'/><itunes:keywords>a,b</itunes:keywords>\
              <geo:point kind='x'><geo:lat>1.50</geo:lat></geo:point></item>"),
        r#"{"title":"D","updated":"2021-09-06","updatedParsed":"2021-09-06T00:00:00Z","published":"2021-09-06",
            "publishedParsed":"2021-09-06T00:00:00Z","author":{"name":"Ann"},"authors":[{"name":"Ann"}],
            "image":{"url":"http://i"},"categories":["a","b"],
            "dcExt":{"title":["D"],"creator":["Ann"],"date":["2021-09-06"]},
            "itunesExt":{"image":"http://i","keywords":"a,b"},
            "extensions":{
              "dc":{"title":[{"name":"title","value":"D","attrs":{},"children":{}}],
                    "creator":[{"name":"creator","value":"Ann","attrs":{},"children":{}}],
                    "date":[{"name":"date","value":"2021-09-06","attrs":{},"children":{}}]},
              "itunes":{"image":[{"name":"image","value":"","attrs":{"href":"http://i"},"children":{}}],
                        "keywords":[{"name":"keywords","value":"a,b","attrs":{},"children":{}}]},
              "geo":{"point":[{"name":"point","value":"","attrs":{"kind":"x"},
                     "children":{"lat":[{"name":"lat","value":"1.50","attrs":{},"children":{}}]}}]}}}"#,
    );
}

#[test]
fn rss_1_has_its_items_beside_the_channel() {
    let feed = "<rdf:RDF xmlns='http://purl.org/rss/1.0/'><channel><title>R</title></channel><item><title>I</title></item></rdf:RDF>";
    check_item(feed, r#"{"title":"I"}"#);
    let data = decode(feed.as_bytes()).expect("a feed");
    assert_eq!(data.get("title").map(|title| title.to_json().to_string()).as_deref(), Some("\"R\""));
}

#[test]
fn an_atom_feed_has_the_same_fields() {
    let feed = "<feed xmlns='http://www.w3.org/2005/Atom' xml:lang='en'><title>A</title><subtitle>s</subtitle><rights>r</rights>\
        <updated>2021-09-06T12:00:00+02:00</updated><author><name>Ann</name><email>a@x</email></author><logo>http://l</logo>\
        <category term='t' label='l'/><entry><title type='html'>&lt;b&gt;</title><id>i</id><link href='http://e'/>\
        <link rel='enclosure' href='http://f' length='3' type='x/y'/><updated>2021-09-06T12:00:00+02:00</updated>\
        <summary>su</summary><content type='xhtml'><div>a<b>c</b></div></content><category term='u'/></entry></feed>";
    check(
        feed,
        r#"{"items":[{"title":"<b>","guid":"i","link":"http://e","links":["http://e"],
              "enclosures":[{"url":"http://f","length":"3","type":"x/y"}],
              "updated":"2021-09-06T12:00:00+02:00","updatedParsed":"2021-09-06T10:00:00Z",
              "published":"2021-09-06T12:00:00+02:00","publishedParsed":"2021-09-06T10:00:00Z",
              "description":"su","content":"<div>a<b>c</b></div>","categories":["u"]}],
            "author":{"name":"Ann","email":"a@x"},"categories":["l"],"custom":null,"copyright":"r","description":"s",
            "type":"atom","language":"en","title":"A","published":"","updated":"2021-09-06T12:00:00+02:00","img_url":"http://l"}"#,
    );
}

#[test]
fn a_json_feed_has_the_same_fields() {
    check(
        r#" {"version":"https://jsonfeed.org/version/1.1","title":"J","authors":[{"name":"Ann"}],"icon":"http://i","items":[
            {"id":12345678901234567890,"content_text":"c","url":"http://u","tags":["t"],"date_published":"2021-09-06T10:00:00Z",
             "attachments":[{"url":"http://f","mime_type":"x/y","size_in_bytes":3}]}]}"#,
        r#"{"items":[{"guid":"12345678901234567890","content":"c","link":"http://u","links":["http://u"],"categories":["t"],
              "published":"2021-09-06T10:00:00Z","publishedParsed":"2021-09-06T10:00:00Z",
              "enclosures":[{"url":"http://f","length":"3","type":"x/y"}]}],
            "author":{"name":"Ann"},"categories":null,"custom":null,"copyright":"","description":"","type":"json","language":"",
            "title":"J","published":"2021-09-06T10:00:00Z","updated":"","img_url":"http://i"}"#,
    );
}

#[test]
fn what_is_no_feed_is_refused_with_its_place() {
    let cases = [
        (" <html/>", "Failed to detect feed type at line 1, column 2"),
        ("hello", "Failed to detect feed type at line 1, column 6"),
        ("{\"title\":", "unexpected EOF at line 1, column 10"),
        ("<rss><channel></rss>", "XML syntax error on line 1: element <channel> closed by </rss> at line 1, column 15"),
    ];
    for (body, expected) in cases {
        assert_eq!(decode(body.as_bytes()).map(|data| data.to_string()), Err(expected.to_owned()), "{body}");
    }
}

#[test]
fn a_person_is_a_name_an_address_or_both() {
    let cases = [
        ("e@x.com (Ed)", "Ed", "e@x.com"),
        ("Ed (e@x.com)", "Ed", "e@x.com"),
        ("Ed <e@x.com>", "Ed", "e@x.com"),
        ("e@x.com", "", "e@x.com"),
        ("Ed (the editor)", "Ed (the editor)", ""),
        (" Ed ", "Ed", ""),
    ];
    for (text, name, email) in cases {
        assert_eq!(Person::parse(text), Person { name: name.into(), email: email.into() }, "{text}");
    }
}
