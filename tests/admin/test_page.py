from pilotfish.admin import page


def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_but_its_own_script():
    policy = page.headers(page.content())["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "style-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy


def test_another_script_has_another_hash():
    assert page.headers(b"<script>1</script>") != page.headers(b"<script>2</script>")


def test_it_names_no_other_place_and_has_no_handlers_or_styles_in_its_markup():
    text = page.content().decode()
    assert text.count("http://") == text.count("http://www.w3.org/2000/svg") == 1
    assert "https://" not in text
    assert " style=" not in text
    assert " onclick=" not in text
    assert "innerHTML" not in text
